//! Replaces composite ops by their definitions.

use super::{dead_code, rewrite};
use crate::{Error, Graph, Node, Op};

/// Every composite op becomes its parts, until only primitives are left.
///
/// # Errors
/// When a definition does not fit its own op.
pub fn decompose_all(graph: &Graph) -> Result<Graph, Error> {
    let mut graph = graph.clone();
    loop {
        let (next, changed) = decompose(&graph, |_| true)?;
        if !changed {
            return Ok(graph);
        }
        graph = next;
    }
}

/// The sequence mixer becomes its token-local part (short convolution, gate) and the transform, so
/// that the former joins the region of the input projection.
///
/// # Errors
/// When a definition does not fit its own op.
pub fn split_mixer(graph: &Graph) -> Result<Graph, Error> {
    dead_code(&decompose(graph, |n| matches!(n.op, Op::SequenceMixer(_)))?.0)
}

fn decompose(graph: &Graph, wanted: impl Fn(&Node) -> bool) -> Result<(Graph, bool), Error> {
    let mut changed = false;
    let graph = rewrite(graph, |b, _, node, inputs| {
        if !wanted(node) {
            return None;
        }
        let done = node.op.rule().decompose(b, inputs, &node.name)?;
        changed = true;
        Some(done.inspect(|&id| b.rename(id, node.name.clone())))
    })?;
    Ok((graph, changed))
}
