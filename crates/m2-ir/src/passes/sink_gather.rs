//! Computes token-local ops only for the tokens that are taken out of their result.

use std::collections::BTreeMap;

use super::{dead_code, rewrite};
use crate::{
    Builder, Dim, Error, Graph, Locality, NodeId, Op,
    ops::{GatherRows, Slice},
};

/// Moves `gather_rows` up through token-local ops whose result nothing else reads: where only
/// `[CLS]` is asked for, the last layer's output projection and MLP run on R rows instead of T.
///
/// # Errors
/// When a moved op does not accept its operands.
pub fn sink_gather(graph: &Graph) -> Result<Graph, Error> {
    let uses = graph.uses();
    let sunk = rewrite(graph, |b, _, node, inputs| {
        let Op::GatherRows(gather) = &node.op else { return None };
        if uses[node.inputs[0].index()] != 1 {
            return None;
        }
        let mut done = BTreeMap::new();
        Some(sink(b, inputs[0], gather, &mut done).inspect(|&id| b.rename(id, node.name.clone())))
    })?;
    dead_code(&sunk)
}

fn sink(
    b: &mut Builder,
    id: NodeId,
    gather: &GatherRows,
    done: &mut BTreeMap<NodeId, NodeId>,
) -> Result<NodeId, Error> {
    if let Some(&new) = done.get(&id) {
        return Ok(new);
    }
    let node = b.node(id).clone();
    let by_token = match &node.op {
        // Looking up ids is as cheap as taking rows, and ids cannot be taken.
        Op::Gather(_) => false,
        Op::Slice(Slice { axis, .. }) => *axis > 0,
        op => op.rule().locality() == Locality::TokenLocal,
    };
    let new = if by_token {
        let inputs = node
            .inputs
            .iter()
            .map(|&i| match b.node(i).ty.shape.first() {
                Some(Dim::Tokens) => sink(b, i, gather, done),
                _ => Ok(i),
            })
            .collect::<Result<Vec<_>, _>>()?;
        b.push(node.op, &inputs, node.name)?
    } else {
        b.push((*gather).into(), &[id], format!("{}/rows", node.name))?
    };
    done.insert(id, new);
    Ok(new)
}
