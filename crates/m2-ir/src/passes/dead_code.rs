//! Drops what no output needs.

use crate::{Builder, Error, Graph, NodeId};

/// Keeps the nodes that an output depends on.
///
/// # Errors
/// Never for a graph that was built through [`Builder`].
pub fn dead_code(graph: &Graph) -> Result<Graph, Error> {
    let mut live = vec![false; graph.nodes().len()];
    for (_, id) in graph.outputs() {
        live[id.index()] = true;
    }
    for (id, node) in graph.iter().rev() {
        if live[id.index()] {
            node.inputs.iter().for_each(|i| live[i.index()] = true);
        }
    }
    let mut b = Builder::new();
    let mut new = vec![NodeId(0); graph.nodes().len()];
    for (id, node) in graph.iter().filter(|(id, _)| live[id.index()]) {
        let inputs: Vec<NodeId> = node.inputs.iter().map(|i| new[i.index()]).collect();
        new[id.index()] = b.copy(node, &inputs)?;
    }
    for (name, id) in graph.outputs() {
        b.output(name, new[id.index()]);
    }
    Ok(b.finish())
}
