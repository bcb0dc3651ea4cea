//! Layer norms inside the products around them, against f64 and with the same norms on their own.

use std::collections::BTreeMap;

use crate::common::{Case, open, tokens};
use m2_ir::{
    Backend, Batch, Binary, Builder, Expr, Graph, HostTensor, NodeId, Op, RowTable,
    ops::{self, Activation, Epilogue},
    plan::{Fusion, lower},
};
use m2_wgpu::{Limits, Options, ProductVariant, Storage, WgpuBackend};
use pollster::block_on;

/// A device that multiplies through workgroup memory.
fn device(inside: bool, slices: Option<usize>, weights: Storage) -> Option<WgpuBackend> {
    open(Options {
        products: Some(ProductVariant::Tiled),
        norms_in_products: inside,
        limits: Limits::WebGpu,
        slices,
        weights,
        ..Options::default()
    })
}

/// A product, a norm of its result, a product of that.
#[derive(Clone, Copy)]
struct Chain {
    /// Blocks, rows and inputs of the first product.
    first: [usize; 3],
    /// Rows of the second one.
    rows: usize,
    epilogue: Epilogue,
    /// What is added to a residual of the first product, if it has one.
    mean: Option<f32>,
    /// Whether something else reads the normalised value.
    kept: bool,
}

const BIAS: Epilogue =
    Epilogue { bias: true, activation: Activation::None, glu: false, residual: false };

/// Rows that end inside tiles, few inputs, nothing but sums.
const PLAIN: Chain =
    Chain { first: [1, 68, 12], rows: 10, epilogue: BIAS, mean: None, kept: false };

impl Chain {
    fn build(self, g: &mut Builder) -> NodeId {
        let [blocks, rows, inputs] = self.first;
        let h = blocks * rows;
        let (x, bias) = (tokens(g, "x", blocks * inputs), g.param("bias0", &[h]));
        let residual = self.mean.map(|mean| {
            let r = tokens(g, "r", h);
            let shift = Expr::input(0).binary(Binary::Add, &Expr::constant(f64::from(mean)));
            g.add(ops::Elementwise::new(shift), &[r]).unwrap()
        });
        let first = Epilogue { residual: residual.is_some(), ..BIAS };
        let op = if blocks > 1 {
            let w = g.param("w0", &[blocks, rows, inputs]);
            (ops::BlockDiagMatMul { epilogue: first }.into(), w)
        } else {
            let w = g.param("w0", &[rows, inputs]);
            (ops::MatMul { epilogue: first, ..Default::default() }.into(), w)
        };
        let sum = add(g, op.0, [Some(x), Some(op.1), Some(bias), residual]);
        let norm = [sum, g.param("gamma", &[h]), g.param("beta", &[h])];
        let hidden = g.add(ops::LayerNorm { eps: 1e-12, residual: false }, &norm).unwrap();
        let bias = self.epilogue.bias.then(|| g.param("bias1", &[self.rows]));
        let w = g.param("w1", &[self.rows, h]);
        let op = ops::MatMul { epilogue: self.epilogue, ..Default::default() };
        let y = add(g, op.into(), [Some(hidden), Some(w), bias, None]);
        if self.kept {
            g.output("hidden", hidden);
        }
        y
    }

    fn graph(self) -> Graph {
        let mut g = Builder::new();
        let out = self.build(&mut g);
        g.output("out", out);
        g.finish()
    }

    /// Compares with f64, after a look at whether the norm runs inside.
    fn check(self, gpu: &WgpuBackend, inside: bool, case: &Case) {
        let graph = self.graph();
        let plan = lower(&graph, &gpu.target(), sizes(case), Fusion::Full).unwrap();
        let schedule = gpu.schedule(&plan).unwrap();
        let has = |part: &str| schedule.dispatches.iter().any(|d| d.label.contains(part));
        assert_eq!((has("+statistics"), has("+normalised")), (inside, inside));
        assert_eq!(has("layer_norm/"), !inside);
        case.check_graph(gpu, &graph);
    }
}

fn add(g: &mut Builder, op: Op, operands: [Option<NodeId>; 4]) -> NodeId {
    g.add(op, &operands.into_iter().flatten().collect::<Vec<_>>()).unwrap()
}

fn sizes(case: &Case) -> m2_ir::Sizes {
    Batch::from_rows(case.rows.clone()).sizes().class()
}

fn case(tolerance: f64) -> Case {
    Case { tolerance, decomposed: false, ..Case::default() }
}

#[test]
fn norms_inside_products_and_on_their_own() {
    let gated = Epilogue { activation: Activation::Gelu, glu: true, ..BIAS };
    let chains = [
        PLAIN,
        Chain { kept: true, mean: Some(0.0), ..PLAIN },
        Chain { first: [4, 20, 12], rows: 72, kept: true, ..PLAIN },
        Chain { first: [3, 44, 8], rows: 34, epilogue: gated, mean: Some(0.5), ..PLAIN },
        Chain { first: [1, 4, 4], rows: 2, epilogue: Epilogue::default(), ..PLAIN },
    ];
    for inside in [true, false] {
        let Some(gpu) = device(inside, None, Storage::F32) else { return };
        for chain in chains {
            chain.check(&gpu, inside, &case(1e-5));
        }
    }
}

#[test]
fn what_is_recorded_with_norms_inside_is_what_was_planned() {
    let Some(gpu) = device(true, None, Storage::F32) else { return };
    let graph = Chain { kept: true, ..PLAIN }.graph();
    let rows = RowTable::new([(32, 32), (32, 32)]).unwrap();
    let class = sizes(&Case { rows: rows.clone(), ..Case::default() });
    let plan = lower(&graph, &gpu.target(), class, Fusion::Full).unwrap();
    let schedule = gpu.schedule(&plan).unwrap();
    let width: u64 = plan.costs().iter().map(|c| c.activation_width).sum();
    // The sum is written and read once, and written once as the norm's value.
    assert_eq!(width, 3 * 68 + 10);
    let params: BTreeMap<_, _> = graph
        .nodes()
        .iter()
        .filter(|n| n.op == Op::Param)
        .map(|n| {
            let shape = n.ty.concrete(&class);
            let ones = vec![1.0; shape.iter().product()];
            (n.name.clone(), HostTensor::from_f32(&shape, &ones))
        })
        .collect();
    let mut weights = gpu.weights();
    let mut program = block_on(gpu.load(plan, &params, &mut weights)).unwrap();
    assert_eq!(program.memory(), schedule.memory);
    let x = HostTensor::from_f32(&[64, 12], &[1.0; 64 * 12]);
    block_on(gpu.run(&mut program, &Batch::from_rows(rows).with_input("x", x))).unwrap();
    let recorded = program.recorded().unwrap();
    assert_eq!((recorded.dispatches, schedule.dispatches.len()), (2, 2));
    assert_eq!(recorded.activation_bytes, width * 64 * 4);
    let planned: u64 = schedule.dispatches.iter().map(|d| d.activation_bytes).sum();
    assert_eq!(recorded.activation_bytes, planned);
}

#[test]
fn norms_far_from_zero() {
    for inside in [true, false] {
        let Some(gpu) = device(inside, None, Storage::F32) else { return };
        // Numbers near 1000 are 6e-5 apart.
        let chain = Chain { mean: Some(1000.0), kept: true, ..PLAIN };
        chain.check(&gpu, inside, &case(3e-4));
    }
}

#[test]
fn norms_of_many_tokens() {
    let Some(gpu) = device(true, None, Storage::F32) else { return };
    // Tiles of 64 rows: a GPU is filled.
    let rows = RowTable::new([(1500, 1500), (1301, 1290)]).unwrap();
    let chain = Chain { first: [2, 72, 8], kept: true, ..PLAIN };
    chain.check(&gpu, true, &Case { rows, ..case(1e-5) });
}

#[test]
fn norms_before_sums_in_slices_and_weights_in_halves() {
    let chain = Chain { first: [1, 100, 36], rows: 20, kept: true, ..PLAIN };
    let Some(gpu) = device(true, Some(3), Storage::F32) else { return };
    chain.check(&gpu, true, &case(1e-5));
    let Some(gpu) = device(true, Some(1), Storage::F16) else { return };
    chain.check(&gpu, true, &Case { halves: true, ..case(1e-5) });
}

#[test]
fn norms_that_stay_outside() {
    let Some(gpu) = device(true, None, Storage::F32) else { return };
    let plans = [
        // Rows of weights that are no multiple of four, before and after.
        Chain { first: [1, 68, 10], ..PLAIN },
        Chain { first: [1, 66, 12], ..PLAIN },
    ];
    for chain in plans {
        chain.check(&gpu, false, &case(1e-5));
    }
}
