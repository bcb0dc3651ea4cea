//! Every way to multiply, forced, against plain f64: odd shapes, epilogues, cut sums, weights in
//! half precision.

use crate::common::{Case, Random, epilogues, open, tokens, with_epilogue};
use m2_ir::{
    Builder, DType, Dim, NodeId, Op, RowTable,
    ops::{self, Epilogue, Orientation},
};
use m2_wgpu::{Limits, Options, ProductVariant, Storage, WgpuBackend};

/// A device that multiplies in one way.
struct Way {
    gpu: WgpuBackend,
    halves: bool,
}

impl Way {
    fn new(products: ProductVariant, slices: Option<usize>, weights: Storage) -> Option<Self> {
        let options = Options { products: Some(products), slices, weights, ..Default::default() };
        Some(Way {
            gpu: open(Options { limits: Limits::WebGpu, ..options })?,
            halves: weights == Storage::F16,
        })
    }

    fn check(&self, case: Case, build: impl FnOnce(&mut Builder) -> NodeId) {
        Case { halves: self.halves, ..case }.check_on(&self.gpu, build);
    }

    fn dense(&self, (k, n): (usize, usize), epilogue: Epilogue) {
        self.check(Case { scale: 0.5, ..Case::default() }, |g| {
            let (x, w) = (tokens(g, "x", k), g.param("w", &[n, k]));
            let op = ops::MatMul { epilogue, ..Default::default() };
            with_epilogue(g, op.into(), x, w, n, epilogue)
        });
    }

    fn blocks(&self, (nb, q, p): (usize, usize, usize), epilogue: Epilogue) {
        self.check(Case { scale: 0.5, ..Case::default() }, |g| {
            let (x, w) = (tokens(g, "x", nb * p), g.param("w", &[nb, q, p]));
            let op = ops::BlockDiagMatMul { epilogue };
            with_epilogue(g, op.into(), x, w, nb * q, epilogue)
        });
    }

    fn transposed(&self, (k, n): (usize, usize), epilogue: Epilogue) {
        self.check(Case { scale: 0.5, ..Case::default() }, |g| {
            let (x, w) = (tokens(g, "x", k), g.param("w", &[k, n]));
            let op = ops::MatMul { epilogue, orientation: Orientation::Nn };
            with_epilogue(g, op.into(), x, w, n, epilogue)
        });
    }

    /// A product of so many columns, of weights of this shape.
    fn few(
        &self,
        columns: u32,
        op: impl Into<Op>,
        e: Epilogue,
        w: &[usize],
        (k, n): (usize, usize),
    ) {
        let asked = (0..columns).collect();
        self.check(Case { asked, scale: 0.5, ..Case::default() }, |g| {
            let x = g.input("x", [Dim::Asked, Dim::Fixed(k)], DType::F32);
            let w = g.param("w", w);
            with_epilogue(g, op.into(), x, w, n, e)
        });
    }

    fn over_tokens(&self, (m, n): (usize, usize), rows: &[usize]) {
        // No gaps, which the sum would contain.
        let rows = RowTable::new(rows.iter().map(|&l| (l, l))).unwrap();
        let op = ops::MatMul { orientation: Orientation::Tn, ..Default::default() };
        self.check(Case { rows, ..Case::default() }, |g| {
            let (x, w) = (tokens(g, "x", m), tokens(g, "w", n));
            g.add(op, &[x, w]).unwrap()
        });
    }

    fn monarch(&self, w1: [usize; 3], w2: [usize; 3], permute_input: bool) {
        self.check(Case { tolerance: 4e-6, ..Case::default() }, |g| {
            let x = tokens(g, "x", w1[0] * w1[2]);
            let (w1, w2) = (g.param("w1", &w1), g.param("w2", &w2));
            g.add(ops::Monarch { permute_input }, &[x, w1, w2]).unwrap()
        });
    }

    /// Every kernel of the way: each shape with another epilogue, one with all of them.
    fn everything(&self) {
        let all = epilogues();
        let shapes = [(5, 10), (7, 130), (36, 18), (20, 48), (1, 2)];
        for (shape, e) in shapes.into_iter().zip(all.iter().cycle().skip(1)) {
            self.dense(shape, *e);
        }
        let shapes = [(2, 12, 20), (4, 24, 12), (2, 48, 24), (2, 20, 7), (4, 192, 48), (3, 4, 8)];
        for (shape, e) in shapes.into_iter().zip(all.iter().cycle().skip(2)) {
            self.blocks(shape, *e);
        }
        for e in all {
            self.blocks((4, 10, 36), e);
        }
        self.transposed((9, 20), all_of());
        self.transposed((12, 7), Epilogue::default());
        self.transposed((20, 72), Epilogue { glu: true, ..all_of() });
        self.transposed((20, 68), Epilogue { glu: true, ..all_of() });
        self.monarch([4, 6, 5], [3, 7, 8], true);
        self.monarch([8, 8, 8], [8, 8, 8], false);
    }
}

/// Bias, activation and residual.
fn all_of() -> Epilogue {
    Epilogue { bias: true, activation: ops::Activation::Gelu, glu: false, residual: true }
}

#[test]
fn tiles_in_workgroup_memory() {
    let Some(way) = Way::new(ProductVariant::Tiled, Some(1), Storage::F32) else { return };
    way.everything();
    // The last 16 columns of 80, and rows past the second tile.
    way.over_tokens((70, 80), &[16, 8, 36, 4]);
}

#[test]
fn sums_cut_into_slices() {
    for variant in [ProductVariant::Direct, ProductVariant::Tiled] {
        let Some(way) = Way::new(variant, Some(3), Storage::F32) else { return };
        way.dense((50, 34), all_of());
        way.dense((64, 20), Epilogue { glu: true, ..all_of() });
        way.blocks((4, 12, 36), Epilogue { glu: true, ..all_of() });
        way.blocks((2, 24, 48), all_of());
        way.blocks((3, 32, 48), all_of());
        way.transposed((40, 12), all_of());
        way.monarch([2, 6, 40], [3, 7, 4], true);
        way.over_tokens((9, 20), &[8, 16]);
        way.over_tokens((20, 132), &[100, 32, 60]);
    }
}

#[test]
fn sums_over_tokens() {
    let Some(way) = Way::new(ProductVariant::Direct, Some(1), Storage::F32) else { return };
    way.over_tokens((70, 80), &[16, 8, 36, 4]);
    // A width that is no multiple of four.
    way.over_tokens((6, 7), &[4, 8]);
}

#[test]
fn weights_in_half_precision() {
    for variant in [ProductVariant::Direct, ProductVariant::Tiled] {
        let Some(way) = Way::new(variant, Some(1), Storage::F16) else { return };
        way.dense((36, 18), all_of());
        way.dense((7, 10), Epilogue { glu: true, ..all_of() });
        way.blocks((4, 24, 12), Epilogue { glu: true, ..all_of() });
        way.blocks((2, 5, 7), all_of());
        way.transposed((12, 20), all_of());
        way.transposed((9, 7), Epilogue::default());
        way.monarch([4, 6, 5], [3, 7, 8], true);
    }
}

#[test]
fn few_columns() {
    let e = all_of();
    let dense = ops::MatMul { epilogue: e, ..Default::default() };
    let Some(way) = Way::new(ProductVariant::Direct, Some(1), Storage::F32) else { return };
    for columns in [1, 7, 15, 31] {
        way.few(columns, dense, e, &[50, 12], (12, 50));
    }
    let gate = Epilogue { glu: true, ..e };
    let transposed = ops::MatMul { epilogue: gate, orientation: Orientation::Nn };
    // Many weights: sums in phases.
    for weights in [Storage::F32, Storage::F16] {
        let Some(way) = Way::new(ProductVariant::Direct, None, weights) else { return };
        way.few(1, dense, e, &[520, 515], (515, 520));
        way.few(9, dense, e, &[514, 516], (516, 514));
        way.few(16, ops::BlockDiagMatMul { epilogue: gate }, gate, &[4, 256, 260], (1040, 1024));
        way.few(5, transposed, gate, &[514, 516], (514, 516));
    }
}

/// Sizes of every parity, those of models among them, which are multiples of tiles.
#[test]
fn any_shapes() {
    let mut random = Random::fresh();
    let sizes = [1, 3, 4, 8, 12, 16, 20, 32, 48, 64, 96, 130, 192, 260];
    let all = epilogues();
    for variant in [ProductVariant::Direct, ProductVariant::Tiled] {
        for slices in [None, Some(2 + random.below(5))] {
            let weights = [Storage::F32, Storage::F16][random.below(2)];
            let Some(way) = Way::new(variant, slices, weights) else { return };
            for _ in 0..4 {
                let k = sizes[random.below(sizes.len())];
                let n = 2 * sizes[random.below(sizes.len())];
                // Halves are for gates of an even number of blocks.
                let odd = if weights == Storage::F32 { 3 } else { 1 };
                let (nb, e) = ([2, odd, 4][random.below(3)], all[random.below(all.len())]);
                let kind = random.below(3);
                println!("{variant}, {slices:?}, {weights:?}, kind {kind}: {nb}, {k}, {n}, {e:?}");
                match kind {
                    0 => way.dense((k, n), e),
                    1 => way.blocks((nb, n, k), e),
                    _ => way.transposed((k, n), e),
                }
            }
        }
    }
}

#[test]
fn what_others_are_measured_against() {
    for variant in [ProductVariant::Rows8, ProductVariant::Naive] {
        let Some(way) = Way::new(variant, Some(1), Storage::F32) else { return };
        way.dense((20, 24), Epilogue::default());
        way.blocks((3, 8, 12), Epilogue::default());
        way.dense((20, 24), all_of());
        way.dense((5, 10), Epilogue::default());
    }
}
