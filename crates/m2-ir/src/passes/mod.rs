//! Rewrites of a graph into an equal, cheaper one. Each takes a graph and returns a new one, keeps
//! every output and computes the same function.

mod dead_code;
mod decompose;
mod fuse_elementwise;
mod fuse_epilogue;
mod sink_gather;

pub use dead_code::dead_code;
pub use decompose::{decompose_all, split_mixer};
pub use fuse_elementwise::fuse_elementwise;
pub use fuse_epilogue::fuse_epilogue;
pub use sink_gather::sink_gather;

use crate::{Builder, Error, Graph, Kind, Node, NodeId, Target};

/// A named rewrite.
pub type Pass = (&'static str, fn(&Graph) -> Result<Graph, Error>);

/// The rewrites that make the plan users get, in order.
pub fn fused(target: &Target) -> Vec<Pass> {
    let mut passes: Vec<Pass> = vec![("dead_code", dead_code), ("sink_gather", sink_gather)];
    if target.kind == Kind::Cpu {
        passes.push(("split_mixer", split_mixer));
    }
    passes.extend([
        ("fuse_epilogue", fuse_epilogue as fn(&Graph) -> Result<Graph, Error>),
        ("fuse_elementwise", fuse_elementwise),
        ("dead_code", dead_code),
    ]);
    passes
}

/// The rewrites that leave every named value standing: the oracle's plan.
pub fn decomposed() -> Vec<Pass> {
    vec![("decompose_all", decompose_all)]
}

/// Applies passes in order, handing each result to `observe` with the pass's name.
///
/// # Errors
/// When a pass breaks a rule of the graph.
pub fn run(
    graph: &Graph,
    passes: &[Pass],
    mut observe: impl FnMut(&str, &Graph),
) -> Result<Graph, Error> {
    let mut graph = graph.clone();
    for (name, pass) in passes {
        let next = pass(&graph)?;
        if cfg!(feature = "checks") {
            next.verify().and_then(|()| graph.same_outputs(&next)).map_err(|e| match e {
                Error::Internal(what) => Error::Internal(format!("after {name}: {what}")),
                other => other,
            })?;
        }
        graph = next;
        observe(name, &graph);
    }
    Ok(graph)
}

/// Rebuilds a graph node by node; `f` may emit something else for a node, None copies it.
fn rewrite(
    graph: &Graph,
    mut f: impl FnMut(&mut Builder, NodeId, &Node, &[NodeId]) -> Option<Result<NodeId, Error>>,
) -> Result<Graph, Error> {
    let mut b = Builder::new();
    let mut new: Vec<NodeId> = Vec::with_capacity(graph.nodes().len());
    for (id, node) in graph.iter() {
        let inputs: Vec<NodeId> = node.inputs.iter().map(|i| new[i.index()]).collect();
        new.push(match f(&mut b, id, node, &inputs) {
            Some(done) => done?,
            None => b.copy(node, &inputs)?,
        });
    }
    for (name, id) in graph.outputs() {
        b.output(name, new[id.index()]);
    }
    Ok(b.finish())
}
