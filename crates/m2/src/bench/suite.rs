//! The family of products against what it is measured against, in one run: squares, and the
//! products of M2-BERT 80M with their epilogues.

use m2_ir::{
    Binary, Builder, Dim, Expr, Graph, NodeId, Unary,
    ops::{Activation, BlockDiagMatMul, Elementwise, Epilogue, MatMul, Slice},
    plan::Fusion,
};
use m2_wgpu::{Options, ProductVariant};

use super::{
    case::{OpCase, product, values},
    op::{OpRun, interleave, median},
};
use crate::{Device, Error, GpuOptions};

/// One shape of the suite.
#[derive(Clone, Debug)]
pub struct SuiteRow {
    /// What it is.
    pub name: String,
    /// Tokens.
    pub tokens: usize,
    /// Operations of the product with its epilogue, in 10⁹.
    pub gflop: f64,
    /// Median seconds of the product with its epilogue in one dispatch.
    pub ours: f64,
    /// Median seconds of the product of 8 × 4 register tiles, then its epilogue as one dispatch.
    pub rows8: f64,
    /// Median of the rounds' ratios: how many times faster ours is.
    pub ratio: f64,
    /// Median seconds of one result an invocation, for squares.
    pub naive: Option<f64>,
}

/// A product of the model: blocks, inputs and rows of a block.
struct Shape {
    name: &'static str,
    blocks: usize,
    inputs: usize,
    rows: usize,
    epilogue: Epilogue,
    /// The axis of columns.
    lead: Dim,
}

const PLAIN: Epilogue =
    Epilogue { bias: false, activation: Activation::None, glu: false, residual: false };
const BIAS: Epilogue = Epilogue { bias: true, ..PLAIN };

const DENSE: Shape =
    Shape { name: "", blocks: 1, inputs: 768, rows: 0, epilogue: BIAS, lead: Dim::Tokens };

const SHAPES: [Shape; 5] = [
    Shape { name: "in 768→2304, bias", rows: 2304, ..DENSE },
    Shape { name: "out 768→768, bias", rows: 768, ..DENSE },
    Shape {
        name: "gate 4×(192→1536), bias, GLU",
        blocks: 4,
        inputs: 192,
        rows: 1536,
        epilogue: Epilogue { activation: Activation::Gelu, glu: true, ..BIAS },
        ..DENSE
    },
    Shape {
        name: "wo 4×(768→192), bias, residual",
        blocks: 4,
        rows: 192,
        epilogue: Epilogue { residual: true, ..BIAS },
        ..DENSE
    },
    // Only asked positions reach the decoder.
    Shape { name: "decoder 768→30528, bias", rows: 30528, lead: Dim::Asked, ..DENSE },
];

/// Asked positions.
const ASKED: usize = 16;

/// Times the suite on an adapter, rounds interleaved; `done` gets each row.
///
/// # Errors
/// When the device fails.
pub async fn suite(
    options: GpuOptions,
    rounds: usize,
    mut done: impl FnMut(&SuiteRow),
) -> Result<(), Error> {
    let ours = Device::gpu(options.clone()).await?;
    let with = |variant| GpuOptions {
        device: Options { products: Some(variant), ..options.device.clone() },
        ..options.clone()
    };
    let rows8 = Device::gpu(with(ProductVariant::Rows8)).await?;
    let naive = Device::gpu(with(ProductVariant::Naive)).await?;
    for n in [512, 1024] {
        let shape = Shape { inputs: n, rows: n, epilogue: PLAIN, ..DENSE };
        let case = shape.case(n, Shape::fused)?;
        let mut runs = [
            OpRun::new(&ours, &case, Fusion::Full).await?,
            OpRun::new(&rows8, &case, Fusion::Full).await?,
            OpRun::new(&naive, &case, Fusion::Full).await?,
        ];
        done(&row(format!("{n}³"), n, &mut runs, rounds).await?);
    }
    for shape in &SHAPES {
        for tokens in if shape.lead == Dim::Asked { &[ASKED][..] } else { &[128, 512] } {
            let mut runs = [
                OpRun::new(&ours, &shape.case(*tokens, Shape::fused)?, Fusion::Full).await?,
                OpRun::new(&rows8, &shape.case(*tokens, Shape::apart)?, Fusion::None).await?,
            ];
            done(&row(shape.name.into(), *tokens, &mut runs, rounds).await?);
        }
    }
    Ok(())
}

async fn row(
    name: String,
    tokens: usize,
    runs: &mut [OpRun<'_>],
    rounds: usize,
) -> Result<SuiteRow, Error> {
    let gflop = runs[0].flops as f64 * 1e-9;
    let seconds = interleave(runs, rounds).await?;
    let ratios: Vec<f64> = seconds[1].iter().zip(&seconds[0]).map(|(a, b)| a / b).collect();
    Ok(SuiteRow {
        name,
        tokens,
        gflop,
        ours: median(&seconds[0]),
        rows8: median(&seconds[1]),
        ratio: median(&ratios),
        naive: seconds.get(2).map(|s| median(s)),
    })
}

impl Shape {
    fn case(
        &self,
        tokens: usize,
        build: fn(&Self, &mut Builder) -> Result<NodeId, m2_ir::Error>,
    ) -> Result<OpCase, Error> {
        let mut g = Builder::new();
        let out = build(self, &mut g)?;
        g.output("out", out);
        let graph: Graph = g.finish();
        let asked = if self.lead == Dim::Asked { tokens } else { 0 };
        Ok(OpCase { graph, lengths: vec![tokens], asked, ids: 1 })
    }

    /// The product with its epilogue.
    fn fused(&self, g: &mut Builder) -> Result<NodeId, m2_ir::Error> {
        self.product(g, self.epilogue)
    }

    fn product(&self, g: &mut Builder, epilogue: Epilogue) -> Result<NodeId, m2_ir::Error> {
        let (op, w) = match self.blocks {
            1 => {
                let op = MatMul { epilogue, ..MatMul::linear() };
                (op.into(), vec![self.rows, self.inputs])
            }
            n => (BlockDiagMatMul { epilogue }.into(), vec![n, self.rows, self.inputs]),
        };
        let rows = self.blocks * self.rows;
        product(g, op, (self.lead, self.blocks * self.inputs), &w, rows, epilogue)
    }

    /// The plain product, then everything else as one elementwise dispatch.
    fn apart(&self, g: &mut Builder) -> Result<NodeId, m2_ir::Error> {
        let y = self.product(g, PLAIN)?;
        let sum =
            |a: usize, b: usize| Expr::input(a as u8).binary(Binary::Add, &Expr::input(b as u8));
        let rows = self.blocks * self.rows;
        if self.epilogue.glu {
            let half = rows / 2;
            let part = |start| Slice { axis: 1, start, len: half };
            let (a, b) = (g.add(part(0), &[y])?, g.add(part(half), &[y])?);
            let biases = [g.param("bias_a", &[half]), g.param("bias_b", &[half])];
            let gated = sum(0, 2).unary(Unary::Gelu).binary(Binary::Mul, &sum(1, 3));
            return g.add(Elementwise::new(gated), &[a, b, biases[0], biases[1]]);
        }
        let mut operands = vec![y, g.param("bias", &[rows])];
        let mut expr = sum(0, 1);
        if self.epilogue.residual {
            operands.push(values(g, "residual", self.lead, rows));
            expr = expr.binary(Binary::Add, &Expr::input(2));
        }
        g.add(Elementwise::new(expr), &operands)
    }
}
