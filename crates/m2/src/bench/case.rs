//! Graphs of one op: which numbers make its shape, and which operands it has.

use m2_ir::{
    Binary, Builder, DType, Dim, Expr, Graph, NodeId, Op,
    ops::{self, Activation, Epilogue, Orientation, ReverseLag},
};

use crate::Error;

/// An op that can be timed, and what the numbers of its shape are.
#[derive(Clone, Copy, Debug)]
pub struct OpInfo {
    /// Its name.
    pub name: &'static str,
    /// Meaning of the numbers, in order. T: tokens of one text; R, L: texts and their tokens.
    pub shape: &'static str,
}

macro_rules! infos {
    ($($name:literal $shape:literal,)*) => {
        /// The ops that can be timed.
        pub const OPS: &[OpInfo] = &[$(OpInfo { name: $name, shape: $shape }),*];
    };
}

infos! {
    "matmul" "T,K,N",
    "matmul_nn" "T,K,N",
    "matmul_tn" "T,M,N",
    "block_diag_matmul" "T,blocks,K,N",
    "glu" "T,blocks,K,N",
    "monarch" "T,k,q,p,l,s,r",
    "layer_norm" "T,H",
    "softmax" "T,H",
    "elementwise" "T,H",
    "gather" "T,V,H",
    "gather_rows" "T,H,Q",
    "pool_rows" "R,L,H",
    "short_conv" "R,L,H",
    "conv_spectrum" "L,H",
    "long_conv" "R,L,H",
    "sequence_mixer" "R,L,H",
    "attention" "R,L,heads,d",
}

/// A graph of one op with the batch that it is run on.
#[derive(Clone, Debug)]
pub struct OpCase {
    /// The graph; its one output is the op's result.
    pub graph: Graph,
    /// Tokens of each text.
    pub lengths: Vec<usize>,
    /// Asked positions.
    pub asked: usize,
    /// Ids are below this.
    pub ids: usize,
}

/// Builds the case of an op for a shape as [`OPS`] describes it.
///
/// # Errors
/// When there is no such op, or the numbers do not make a shape of it.
pub fn case(op: &str, shape: &[usize], epilogue: Epilogue) -> Result<OpCase, Error> {
    let known = OPS.iter().find(|o| o.name == op).ok_or_else(|| {
        let all: Vec<_> = OPS.iter().map(|o| o.name).collect();
        wrong(op, format!("is none of {}", all.join(", ")))
    })?;
    let needed = known.shape.split(',').count();
    if shape.len() != needed || shape.contains(&0) {
        return Err(wrong(op, format!("needs a shape of {needed} numbers: {}", known.shape)));
    }
    let takes = ["matmul", "matmul_nn", "block_diag_matmul", "glu"].contains(&op);
    if epilogue != Epilogue::default() && !takes {
        return Err(wrong(op, "has no epilogue".into()));
    }
    let mut g = Builder::new();
    let out = build(&mut g, op, shape, epilogue)?;
    g.output("out", out);
    let by_rows = known.shape.starts_with('R');
    let (rows, length) = if by_rows { (shape[0], shape[1]) } else { (1, shape[0]) };
    Ok(OpCase {
        graph: g.finish(),
        lengths: vec![length; rows],
        asked: if op == "gather_rows" { shape[2] } else { 0 },
        ids: if op == "gather" { shape[1] } else { 1 },
    })
}

const T: Dim = Dim::Tokens;

pub(super) fn wrong(op: &str, what: String) -> Error {
    Error::Model { model: format!("op {op}"), what }
}

pub(super) fn tokens(g: &mut Builder, name: &str, width: usize) -> NodeId {
    values(g, name, T, width)
}

/// An input (lead, width).
pub(super) fn values(g: &mut Builder, name: &str, lead: Dim, width: usize) -> NodeId {
    g.input(name, [lead, Dim::Fixed(width)], DType::F32)
}

fn build(g: &mut Builder, op: &str, s: &[usize], e: Epilogue) -> Result<NodeId, m2_ir::Error> {
    let dense = |orientation| ops::MatMul { orientation, epilogue: e };
    match op {
        "matmul" => product(g, dense(Orientation::Nt).into(), (T, s[1]), &[s[2], s[1]], s[2], e),
        "matmul_nn" => product(g, dense(Orientation::Nn).into(), (T, s[1]), &[s[1], s[2]], s[2], e),
        "matmul_tn" => {
            let operands = [tokens(g, "x", s[1]), tokens(g, "w", s[2])];
            g.add(dense(Orientation::Tn), &operands)
        }
        "block_diag_matmul" | "glu" => {
            let gate = Epilogue { activation: Activation::Gelu, glu: true, ..e };
            let epilogue = if op == "glu" { gate } else { e };
            let [blocks, k, n] = [s[1], s[2], s[3]];
            let op = ops::BlockDiagMatMul { epilogue };
            product(g, op.into(), (T, blocks * k), &[blocks, n, k], blocks * n, epilogue)
        }
        "monarch" => {
            let x = tokens(g, "x", s[1] * s[3]);
            let w = [g.param("w1", &[s[1], s[2], s[3]]), g.param("w2", &s[4..])];
            g.add(ops::Monarch { permute_input: false }, &[x, w[0], w[1]])
        }
        "layer_norm" => {
            let x = [tokens(g, "x", s[1]), g.param("w", &s[1..]), g.param("b", &s[1..])];
            g.add(ops::LayerNorm { eps: 1e-12, residual: false }, &x)
        }
        "softmax" => {
            let x = tokens(g, "x", s[1]);
            g.add(ops::Softmax, &[x])
        }
        "elementwise" => {
            let x = [tokens(g, "x", s[1]), tokens(g, "z", s[1])];
            let product = Expr::input(0).binary(Binary::Mul, &Expr::input(1));
            g.add(ops::Elementwise::new(product), &x)
        }
        _ => build_by_row(g, op, s),
    }
}

/// Ops that know which tokens belong to which text, or take some of them.
fn build_by_row(g: &mut Builder, op: &str, s: &[usize]) -> Result<NodeId, m2_ir::Error> {
    match op {
        "gather" => {
            let table = g.param("table", &s[1..]);
            let ids = g.input("ids", [Dim::Tokens], DType::U32);
            g.add(ops::Gather, &[table, ids])
        }
        "gather_rows" => {
            let x = tokens(g, "x", s[1]);
            g.add(ops::GatherRows { which: ops::Which::Asked }, &[x])
        }
        "pool_rows" => {
            let x = tokens(g, "x", s[2]);
            g.add(ops::PoolRows, &[x])
        }
        "short_conv" => {
            let h = s[2];
            let x = [tokens(g, "x", h), g.param("w", &[h, 1, 3]), g.param("b", &[h])];
            g.add(ops::ShortConv { taps: 3 }, &x)
        }
        "conv_spectrum" => {
            let k = g.input("k", [Dim::Span, Dim::Fixed(s[1])], DType::F32);
            let d = g.param("d", &s[1..]);
            g.add(ops::ConvSpectrum { reverse: Some(ReverseLag::Next), pair: false }, &[k, k, d])
        }
        "long_conv" => {
            let x = tokens(g, "x", s[2]);
            let spectrum = spectrum(g, s[1], s[2], false)?;
            g.add(ops::LongConv, &[x, spectrum])
        }
        "sequence_mixer" => {
            let h = s[2];
            let p = tokens(g, "p", 3 * h);
            let (w, b) = (g.param("w", &[3 * h, 1, 3]), g.param("b", &[3 * h]));
            let (spectrum, u) = (spectrum(g, s[1], h, true)?, tokens(g, "u", h));
            g.add(ops::SequenceMixer { taps: 3, residual: true }, &[p, w, b, spectrum, u])
        }
        _ => {
            let x = ["q", "k", "v"].map(|name| tokens(g, name, s[2] * s[3]));
            g.add(ops::Attention { heads: s[2], alibi: false }, &x)
        }
    }
}

/// A product, with bias and residual where its epilogue has them.
pub(super) fn product(
    g: &mut Builder,
    op: Op,
    (lead, inputs): (Dim, usize),
    w: &[usize],
    rows: usize,
    e: Epilogue,
) -> Result<NodeId, m2_ir::Error> {
    let mut operands = vec![values(g, "x", lead, inputs), g.param("w", w)];
    if e.bias {
        operands.push(g.param("bias", &[rows]));
    }
    if e.residual {
        operands.push(values(g, "residual", lead, if e.glu { rows / 2 } else { rows }));
    }
    g.add(op, &operands)
}

/// The spectrum of implicit filters, which depends on weights alone.
fn spectrum(g: &mut Builder, l: usize, h: usize, pair: bool) -> Result<NodeId, m2_ir::Error> {
    let f: Vec<_> = (0..)
        .zip(ops::ImplicitFilter::operands(l, 5, 16, h))
        .map(|(i, s)| g.param(format!("f{i}"), &s))
        .collect();
    let k = g.add(ops::ImplicitFilter { w_mod: 1.0 }, &f)?;
    let d = g.param("d", &[h]);
    let one = [k, k, d];
    let operands = if pair { one.repeat(2) } else { one.to_vec() };
    g.add(ops::ConvSpectrum { reverse: Some(ReverseLag::Next), pair }, &operands)
}
