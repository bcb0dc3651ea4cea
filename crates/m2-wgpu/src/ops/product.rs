//! The family of matrix products: dense, block-diagonal, and the factors of a Monarch product.

use m2_ir::{
    Dim, NodeId,
    ops::{Activation, Epilogue},
};
use shaders::Kernel;

use super::{
    cut::Cut,
    norm::Norm,
    strided::Strided,
    tiling::{Across, Shares, TILE, tile_half},
};
use crate::{
    Error, ProductVariant, Storage,
    launch::{Bind, Grid, Slot},
    lowering::{Lowering, axis, flag, read, size},
};

/// Scratch for slices; factors of a Monarch product have number 0.
const SLICES: usize = 1;

/// `y = epilogue(blockdiag(w) · x)` along the channels of every column (token).
pub(super) struct Product {
    /// Input, columns contiguous.
    pub x: Slot,
    /// Weights (blocks, rows, inputs).
    pub w: NodeId,
    /// Result, columns contiguous.
    pub y: Slot,
    /// The axis of columns of x and y.
    pub lead: Dim,
    /// Number of blocks.
    pub blocks: usize,
    /// Results of a block.
    pub rows: usize,
    /// Inputs of a block.
    pub inputs: Dim,
    /// How the inputs lie.
    pub x_map: Inputs,
    /// Channel of y that row r of block b is: `y_map.0·b + y_map.1·r`.
    pub y_map: (usize, usize),
    /// How the weights lie.
    pub w_map: WeightMap,
    /// What happens to the result.
    pub epilogue: Epilogue,
    /// Operands of the epilogue.
    pub extra: Vec<NodeId>,
}

/// How the inputs of a product lie.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Inputs {
    /// Columns contiguous: input i of block b is channel `.0·b + .1·i`.
    Channels(usize, usize),
    /// The summed axis contiguous: columns this far apart.
    Across(usize),
}

/// How the weights of a product lie.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum WeightMap {
    /// (blocks, rows, inputs), inputs contiguous and rows this far apart.
    Rows(usize),
    /// (inputs, rows), rows contiguous.
    Transposed,
}

/// The number by which kernels know an activation.
pub(super) fn activation(a: Activation) -> usize {
    match a {
        Activation::None => 0,
        Activation::Gelu => 1,
        Activation::Tanh => 2,
    }
}

/// Bias and residual; the weights stand in for what is absent.
pub(super) fn extras(epilogue: &Epilogue, extra: &[NodeId], w: NodeId) -> (NodeId, NodeId) {
    let bias = if epilogue.bias { extra[0] } else { w };
    let residual = if epilogue.residual { extra[extra.len() - 1] } else { w };
    (bias, residual)
}

/// Blocks and rows of the results, and where the partners of a gate's rows are.
#[derive(Clone, Copy)]
pub(super) struct Halves {
    pub blocks: usize,
    pub rows: usize,
    pub block_shift: usize,
    pub row_shift: usize,
}

/// The kernels of one way to multiply.
struct Family {
    /// By storage of the weights.
    rows: [Kernel; 2],
    transposed: [Kernel; 2],
    any: [Kernel; 2],
    across: Kernel,
}

const DIRECT: Family = Family {
    rows: [shaders::MATMUL_DIRECT_ROWS, shaders::MATMUL_DIRECT_ROWS_F16],
    transposed: [shaders::MATMUL_DIRECT_TRANSPOSED, shaders::MATMUL_DIRECT_TRANSPOSED_F16],
    any: [shaders::MATMUL_DIRECT_ANY, shaders::MATMUL_DIRECT_ANY_F16],
    across: shaders::MATMUL_DIRECT_ACROSS,
};

const TILED: Family = Family {
    rows: [shaders::MATMUL_TILED_ROWS, shaders::MATMUL_TILED_ROWS_F16],
    transposed: [shaders::MATMUL_TILED_TRANSPOSED, shaders::MATMUL_TILED_TRANSPOSED_F16],
    any: [shaders::MATMUL_TILED_ANY, shaders::MATMUL_TILED_ANY_F16],
    across: shaders::MATMUL_TILED_ACROSS,
};

/// Layer norms run inside products whose weights have their inputs contiguous (`m2_ir::plan`).
const STATISTICS: Family = Family {
    rows: [shaders::MATMUL_TILED_STATISTICS, shaders::MATMUL_TILED_STATISTICS_F16],
    ..TILED
};

const NORMALISED: Family = Family {
    rows: [shaders::MATMUL_TILED_NORMALISED, shaders::MATMUL_TILED_NORMALISED_F16],
    ..TILED
};

type Constants = Vec<(&'static str, f64)>;

impl Product {
    /// A dense product of (S, K) by (N, K).
    pub fn dense(x: NodeId, y: NodeId, lead: Dim, w: NodeId, rows: usize, inputs: usize) -> Self {
        Product {
            x: Slot::Value(x),
            w,
            y: Slot::Value(y),
            lead,
            blocks: 1,
            rows,
            inputs: Dim::Fixed(inputs),
            x_map: Inputs::Channels(inputs, 1),
            y_map: (rows, 1),
            w_map: WeightMap::Rows(inputs),
            epilogue: Epilogue::default(),
            extra: Vec::new(),
        }
    }

    /// Adds the dispatches.
    ///
    /// # Errors
    /// Never for products that the graph's rules accept; kept for ops that share the signature.
    pub fn lower(self, cx: &mut Lowering<'_>) -> Result<(), Error> {
        let Some(halves) = self.halves() else {
            // Half the width falls inside a block: the two products have no common inputs.
            Strided::gate(cx, &self);
            return Ok(());
        };
        if let Some(kernel) = self.baseline(cx) {
            self.measured(cx, kernel);
            return Ok(());
        }
        let norm = Norm::of(cx)?;
        let lds = (self.leading(cx), self.leading(cx));
        let cuts = Cut::of(cx, &self, &halves);
        for cut in &cuts {
            let part = cut.halves(&halves);
            let mut constants = self.shape(&self.epilogue, part, (part.rows, 1), lds);
            let mut bindings = cut.bindings(cx, &self, &halves);
            norm.give(cx, &self, cut.start(), (&mut constants, &mut bindings));
            self.dispatch(cx, norm, constants, part, Shares::WHOLE, bindings);
        }
        if !cuts.is_empty() {
            return Ok(());
        }
        // Slices have no statistics before they are added up.
        let shares = if norm == Norm::After { Shares::WHOLE } else { Shares::of(cx, &self) };
        if shares.parts() > 1 {
            self.sliced(cx, norm, shares, halves);
            return Ok(());
        }
        let mut constants = self.shape(&self.epilogue, halves, self.y_map, lds);
        let mut bindings = self.bindings(self.y);
        norm.give(cx, &self, (0, 0), (&mut constants, &mut bindings));
        self.dispatch(cx, norm, constants, halves, Shares::WHOLE, bindings);
        Ok(())
    }

    /// The gate pairs row j with the row half the width further.
    fn halves(&self) -> Option<Halves> {
        let plain = Halves { blocks: self.blocks, rows: self.rows, block_shift: 0, row_shift: 0 };
        match self.blocks {
            _ if !self.epilogue.glu => Some(plain),
            1 => Some(Halves { rows: self.rows / 2, row_shift: self.rows / 2, ..plain }),
            n if n % 2 == 0 => Some(Halves { blocks: n / 2, block_shift: n / 2, ..plain }),
            _ => None,
        }
    }

    /// Elements between two channels of the columns.
    pub fn leading(&self, cx: &Lowering<'_>) -> usize {
        match self.lead {
            Dim::Fixed(n) => n,
            lead => crate::layout::leading(lead, &cx.class),
        }
    }

    /// Inputs at the class.
    fn depth(&self, cx: &Lowering<'_>) -> usize {
        self.inputs.of(&cx.class)
    }

    /// Slices to scratch, then their sum with the epilogue.
    fn sliced(&self, cx: &mut Lowering<'_>, norm: Norm, shares: Shares, halves: Halves) {
        let plain = Halves { blocks: self.blocks, rows: self.rows, block_shift: 0, row_shift: 0 };
        let (ld, height) = (self.leading(cx), self.blocks * self.rows);
        // A part is as wide as a workgroup of phases.
        let wide = match shares.phases {
            1 => ld,
            _ => Across::of(cx, self, &plain, shares).columns(),
        };
        let parts = Slot::Scratch(SLICES, shares.parts() * height * wide);
        let e = Epilogue::default();
        let mut constants = self.shape(&e, plain, (self.rows, 1), (ld, wide));
        constants.push(size("SLICE", height * wide));
        let mut bindings = self.bindings(parts);
        norm.give(cx, self, (0, 0), (&mut constants, &mut bindings));
        self.dispatch(cx, norm, constants, plain, shares, bindings);
        let mut constants = self.shape(&self.epilogue, halves, self.y_map, (wide, ld));
        constants.extend([size("PARTS", shares.parts()), size("HEIGHT", height)]);
        let mut bindings = self.bindings(self.y);
        bindings[0] = Bind::Read(parts);
        let grid = Grid::new(self.lead, 32, (halves.blocks * halves.rows).div_ceil(8));
        cx.launch(shaders::MATMUL_SLICES, constants, bindings, grid);
    }

    /// A dispatch of the product itself.
    fn dispatch(
        &self,
        cx: &mut Lowering<'_>,
        norm: Norm,
        mut constants: Constants,
        halves: Halves,
        shares: Shares,
        bindings: Vec<Bind>,
    ) {
        let tiled = cx.settings.products.variant == ProductVariant::Tiled;
        let family = match norm {
            Norm::After => &STATISTICS,
            Norm::Before(_) => &NORMALISED,
            Norm::None if tiled => &TILED,
            Norm::None => &DIRECT,
        };
        let kernel = self.kernel(cx, family, &halves, &mut constants);
        if let Norm::Before(_) = norm {
            // Its inputs are dense, and it has no residual.
            constants.retain(|(name, _)| !["XB", "XI", "RESIDUAL"].contains(name));
        }
        let Shares { slices, phases } = shares;
        constants.extend([size("SLICES", slices), size("DEPTH", shares.depth(self.depth(cx)))]);
        let tiles = |half: usize| slices * halves.blocks * halves.rows.div_ceil(halves.span(half));
        let grid = if tiled {
            let whole = match norm {
                Norm::After => Halves { blocks: self.blocks, rows: self.rows, ..halves },
                _ => halves,
            };
            let half = tile_half(&whole, slices, self.leading(cx));
            constants.push(size("HALF", half));
            Grid::new(self.lead, TILE, tiles(half))
        } else {
            let half = if phases > 1 || halves.rows < halves.span(16) { 4 } else { 8 };
            let across = Across::of(cx, self, &halves, shares);
            let invocations = across.invocations * phases;
            constants.extend([
                size("HALF", half),
                size("ACROSS", across.invocations),
                size("VECS", across.vecs),
                size("PHASES", phases),
            ]);
            Grid::new(self.lead, across.columns(), tiles(half).div_ceil(32 / invocations))
        };
        cx.launch(kernel, constants, bindings, grid);
    }

    /// The kernel that fits the operands, and the constants of their maps.
    fn kernel(
        &self,
        cx: &Lowering<'_>,
        of: &Family,
        halves: &Halves,
        constants: &mut Constants,
    ) -> Kernel {
        let storage = match cx.storage(self.w) {
            Storage::F32 => 0,
            Storage::F16 => 1,
        };
        let by_four = |n: usize| n.is_multiple_of(4);
        constants.push(size("BW", self.rows * self.depth(cx)));
        if let Inputs::Channels(block, input) = self.x_map {
            constants.extend([size("XB", block), size("XI", input)]);
        }
        match (self.x_map, self.w_map) {
            (Inputs::Across(step), WeightMap::Rows(row)) => {
                constants.extend([size("XI", step), size("WN", row)]);
                of.across
            }
            (_, WeightMap::Rows(row)) if by_four(row) => {
                constants.push(size("WN", row));
                of.rows[storage]
            }
            // A gate's partner rows have to begin at a vec4, too.
            (_, WeightMap::Transposed) if by_four(self.rows) && by_four(halves.row_shift) => {
                constants.push(size("WK", self.rows));
                of.transposed[storage]
            }
            (_, WeightMap::Rows(row)) => {
                constants.extend([size("WN", row), size("WK", 1)]);
                of.any[storage]
            }
            (_, WeightMap::Transposed) => {
                constants.extend([size("WN", 1), size("WK", self.rows)]);
                of.any[storage]
            }
        }
    }

    /// The constants that all kernels of the family share; the leading dimensions are those of what
    /// is read and of the result.
    fn shape(
        &self,
        e: &Epilogue,
        halves: Halves,
        y_map: (usize, usize),
        (ld, y_ld): (usize, usize),
    ) -> Constants {
        vec![
            size("NB", halves.blocks),
            size("ROWS", halves.rows),
            size("Q", self.rows),
            size("P", self.inputs.fixed().unwrap_or(0)),
            size("KLEAD", axis(self.inputs)),
            size("COLUMNS", self.lead.fixed().unwrap_or(0)),
            size("LEAD", axis(self.lead)),
            size("LD", ld),
            size("YLD", y_ld),
            size("YB", y_map.0),
            size("YI", y_map.1),
            flag("GLU", e.glu),
            size("GB", halves.block_shift),
            size("GR", halves.row_shift),
            flag("BIAS", e.bias),
            size("ACTIVATION", activation(e.activation)),
            flag("RESIDUAL", e.residual),
        ]
    }

    pub fn bindings(&self, y: Slot) -> Vec<Bind> {
        let (bias, residual) = extras(&self.epilogue, &self.extra, self.w);
        vec![Bind::Read(self.x), read(self.w), read(bias), read(residual), Bind::Write(y)]
    }

    /// The kernel of a variant that is only measured, where it can serve the product.
    fn baseline(&self, cx: &Lowering<'_>) -> Option<Kernel> {
        let kernel = match cx.settings.products.variant {
            ProductVariant::Direct | ProductVariant::Tiled => return None,
            ProductVariant::Rows8 => shaders::BENCH_ROWS8,
            ProductVariant::Naive => shaders::BENCH_NAIVE,
        };
        let inputs = self.inputs.fixed()?;
        let served = self.epilogue == Epilogue::default()
            && self.x_map == Inputs::Channels(inputs, 1)
            && self.y_map == (self.rows, 1)
            && self.w_map == WeightMap::Rows(inputs)
            && cx.storage(self.w) == Storage::F32
            && self.rows.is_multiple_of(8)
            && inputs.is_multiple_of(4);
        served.then_some(kernel)
    }

    fn measured(&self, cx: &mut Lowering<'_>, kernel: Kernel) {
        let constants = [
            size("NB", self.blocks),
            size("Q", self.rows),
            size("P", self.depth(cx)),
            size("LD", self.leading(cx)),
            size("LEAD", axis(self.lead)),
        ];
        let (columns, rows) = if kernel == shaders::BENCH_ROWS8 { (32, 64) } else { (16, 16) };
        let grid = Grid::new(self.lead, columns, (self.blocks * self.rows).div_ceil(rows));
        let bindings = vec![Bind::Read(self.x), read(self.w), Bind::Write(self.y)];
        cx.launch(kernel, constants, bindings, grid);
    }
}

impl Halves {
    /// Results' rows of a tile whose halves have so many.
    pub fn span(&self, half: usize) -> usize {
        if self.is_gate() { half } else { 2 * half }
    }

    fn is_gate(&self) -> bool {
        self.block_shift + self.row_shift > 0
    }
}
