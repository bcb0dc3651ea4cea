//! Which layer norms run inside the products around them: the one before makes the statistics of
//! each token in its epilogue, the one after normalises as it loads.

use crate::{
    Dim, Graph, Node, NodeId, Op,
    ops::{Epilogue, Orientation},
};

/// Gives layer norms to the products that read them first, where everything allows it. That product
/// also stores the normalised value if anything else reads it.
///
/// Nothing runs between the two products: a backend keeps one set of statistics at a time.
pub(super) fn fold(
    graph: &Graph,
    views: &[Option<(NodeId, usize)>],
    frozen: &[bool],
    owners: &mut [Option<NodeId>],
) {
    let mut readers = vec![None; graph.nodes().len()];
    for (id, node) in graph.iter() {
        for i in &node.inputs {
            readers[i.index()] = readers[i.index()].or(Some(id));
        }
    }
    let mut records = vec![false; graph.nodes().len()];
    for (id, node) in graph.iter().collect::<Vec<_>>().into_iter().rev() {
        let (Op::LayerNorm(norm), Some(reader)) = (&node.op, readers[id.index()]) else { continue };
        let product = node.inputs[0];
        let tokens = node.ty.shape.len() == 2 && node.ty.shape[0] == Dim::Tokens;
        let fits = tokens
            && !norm.residual
            && makes_statistics(graph, graph.node(product))
            && normalises(graph, graph.node(reader), id)
            && !records[reader.index()];
        let runs = |other: NodeId| {
            let i = other.index();
            let work = !graph.node(other).op.is_source() && views[i].is_none();
            work && !frozen[i] && owners[i].is_none() && other != id
        };
        let mut between = graph.iter().map(|(other, _)| other);
        if fits && !between.any(|n| product < n && n < reader && runs(n)) {
            records[product.index()] = true;
            owners[id.index()] = Some(reader);
        }
    }
}

/// The epilogue of a product whose rows of weights are read four inputs at a time.
fn by_fours(graph: &Graph, node: &Node) -> Option<Epilogue> {
    let epilogue = match &node.op {
        Op::MatMul(op) if op.orientation == Orientation::Nt => op.epilogue,
        Op::BlockDiagMatMul(op) => op.epilogue,
        _ => return None,
    };
    let w = graph.node(node.inputs[1]);
    let inputs = w.ty.width()?;
    (w.op == Op::Param && inputs.is_multiple_of(4)).then_some(epilogue)
}

fn makes_statistics(graph: &Graph, node: &Node) -> bool {
    by_fours(graph, node).is_some_and(|e| !e.glu)
}

/// Whether a product can normalise as it loads: a residual would be one operand too many.
fn normalises(graph: &Graph, node: &Node, norm: NodeId) -> bool {
    let dense = matches!(node.op, Op::MatMul(_)) && node.inputs[0] == norm;
    dense && by_fours(graph, node).is_some_and(|e| !e.residual)
}
