//! Moves bias, activation, gate and residual into the product before them, and a residual sum into
//! the layer norm after it.

use super::rewrite;
use crate::{
    Binary, Builder, Error, Graph, Inst, Node, NodeId, Op, Unary,
    ops::{Activation, Epilogue, LayerNorm},
};

/// Fuses what follows a product, where nothing else reads the product.
///
/// # Errors
/// When a fused op does not accept its operands.
pub fn fuse_epilogue(graph: &Graph) -> Result<Graph, Error> {
    let uses = graph.uses();
    rewrite(graph, |b, _, node, inputs| {
        let read_once = |i: usize| uses[node.inputs[i].index()] == 1;
        let (op, operands) = match &node.op {
            Op::Elementwise(_) => add(b, node, inputs, &read_once)
                .or_else(|| activation(b, node, inputs, &read_once))
                .or_else(|| glu(b, node, inputs, graph, &uses))?,
            Op::LayerNorm(norm) if !norm.residual && read_once(0) => {
                let sum = b.node(inputs[0]);
                let (Some(Pattern::Add), [a, r]) = (pattern(sum), &sum.inputs[..]) else {
                    return None;
                };
                if b.node(*a).ty != sum.ty || b.node(*r).ty != sum.ty {
                    return None;
                }
                let op = LayerNorm { residual: true, ..*norm };
                (op.into(), vec![*a, inputs[1], inputs[2], *r])
            }
            _ => return None,
        };
        Some(b.push(op, &operands, node.name.clone()))
    })
}

/// Elementwise expressions that an epilogue knows.
#[derive(PartialEq)]
enum Pattern {
    Add,
    Unary(Activation),
    Gate(Activation),
}

fn pattern(node: &Node) -> Option<Pattern> {
    let Op::Elementwise(e) = &node.op else { return None };
    let known = |f: &Unary| match f {
        Unary::Gelu => Some(Activation::Gelu),
        Unary::Tanh => Some(Activation::Tanh),
        _ => None,
    };
    match e.expr.code() {
        [Inst::Input(0), Inst::Input(1), Inst::Binary(Binary::Add, 0, 1)] => Some(Pattern::Add),
        [Inst::Input(0), Inst::Unary(f, 0)] => known(f).map(Pattern::Unary),
        [Inst::Input(0), Inst::Unary(f, 0), Inst::Input(1), Inst::Binary(Binary::Mul, 1, 2)] => {
            known(f).map(Pattern::Gate)
        }
        _ => None,
    }
}

fn epilogue(op: &Op) -> Option<Epilogue> {
    match op {
        Op::MatMul(m) => Some(m.epilogue),
        Op::BlockDiagMatMul(m) => Some(m.epilogue),
        _ => None,
    }
}

fn with_epilogue(op: &Op, e: Epilogue) -> Op {
    let mut op = op.clone();
    match &mut op {
        Op::MatMul(m) => m.epilogue = e,
        Op::BlockDiagMatMul(m) => m.epilogue = e,
        _ => {}
    }
    op
}

type Fused = Option<(Op, Vec<NodeId>)>;

/// Product + bias, or product + residual.
fn add(b: &Builder, node: &Node, inputs: &[NodeId], read_once: &dyn Fn(usize) -> bool) -> Fused {
    if pattern(node)? != Pattern::Add {
        return None;
    }
    for (y, other) in [(0, 1), (1, 0)] {
        let product = b.node(inputs[y]);
        let (Some(e), true) = (epilogue(&product.op), read_once(y)) else { continue };
        let extra = &b.node(inputs[other]).ty;
        let fused = if extra.shape.len() == 1 && product.ty == node.ty && e == Epilogue::default() {
            Epilogue { bias: true, ..e }
        } else if *extra == product.ty && product.ty == node.ty && !e.residual {
            Epilogue { residual: true, ..e }
        } else {
            continue;
        };
        let mut operands = product.inputs.clone();
        operands.push(inputs[other]);
        return Some((with_epilogue(&product.op, fused), operands));
    }
    None
}

fn activation(
    b: &Builder,
    node: &Node,
    inputs: &[NodeId],
    read_once: &dyn Fn(usize) -> bool,
) -> Fused {
    let Pattern::Unary(activation) = pattern(node)? else { return None };
    let product = b.node(inputs[0]);
    let e = epilogue(&product.op)?;
    let plain = e.activation == Activation::None && !e.glu && !e.residual;
    (plain && read_once(0))
        .then(|| (with_epilogue(&product.op, Epilogue { activation, ..e }), product.inputs.clone()))
}

/// `f(y[.., :n/2]) · y[.., n/2:]`, where nothing else reads y or its halves.
fn glu(b: &Builder, node: &Node, inputs: &[NodeId], graph: &Graph, uses: &[u32]) -> Fused {
    let Pattern::Gate(activation) = pattern(node)? else { return None };
    let (Op::Slice(first), Op::Slice(second)) = (&b.node(inputs[0]).op, &b.node(inputs[1]).op)
    else {
        return None;
    };
    let y = b.node(inputs[0]).inputs[0];
    let product = b.node(y);
    let e = epilogue(&product.op)?;
    let halves = first.axis + 1 == product.ty.shape.len()
        && (first.start, second.start) == (0, first.len)
        && first.len == second.len
        && product.ty.width() == Some(2 * first.len);
    let old = graph.node(node.inputs[0]).inputs[0];
    let alone = b.node(inputs[1]).inputs[0] == y
        && uses[old.index()] == 2
        && node.inputs.iter().all(|i| uses[i.index()] == 1);
    let plain = e.activation == Activation::None && !e.glu && !e.residual;
    (halves && alone && plain).then(|| {
        let e = Epilogue { activation, glu: true, ..e };
        (with_epilogue(&product.op, e), product.inputs.clone())
    })
}
