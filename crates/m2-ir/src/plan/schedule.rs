//! Which nodes run when: views that are no work, values that are kept, regions.

use super::Step;
use crate::{Dim, Graph, Locality, Node, NodeId, Op, Sizes, Target};

/// For each node that is a view: the value it shows and its first column.
pub(super) fn views(graph: &Graph) -> Vec<Option<(NodeId, usize)>> {
    let mut views: Vec<Option<(NodeId, usize)>> = vec![None; graph.nodes().len()];
    for (id, node) in graph.iter() {
        let Some(&input) = node.inputs.first() else { continue };
        let base = views[input.index()];
        let strided =
            base.is_some_and(|(of, _)| graph.node(of).ty.width() != graph.node(input).ty.width());
        views[id.index()] = match &node.op {
            Op::Slice(s) if s.axis == 1 && node.ty.shape.len() == 2 => {
                let (of, start) = base.unwrap_or((input, 0));
                (graph.node(of).ty.shape.len() == 2).then_some((of, start + s.start))
            }
            Op::Reshape(_) if !strided => Some(base.unwrap_or((input, 0))),
            _ => None,
        };
    }
    views
}

/// Nodes whose value depends on weights alone, if keeping those that runs read fits the budget.
pub(super) fn frozen(graph: &Graph, target: &Target, class: &Sizes) -> Vec<bool> {
    let mut frozen = vec![false; graph.nodes().len()];
    for (id, node) in graph.iter() {
        frozen[id.index()] = !node.op.is_source()
            && node.inputs.iter().all(|i| frozen[i.index()] || graph.node(*i).op == Op::Param);
    }
    let mut kept = vec![false; graph.nodes().len()];
    for (_, node) in graph.iter().filter(|(id, _)| !frozen[id.index()]) {
        node.inputs.iter().for_each(|i| kept[i.index()] |= frozen[i.index()]);
    }
    let bytes_kept = || {
        let kept = graph.iter().filter(|(id, _)| kept[id.index()]);
        kept.map(|(_, n)| (n.ty.len(class) * n.ty.dtype.size()) as u64)
    };
    let largest = bytes_kept().max().unwrap_or(0);
    if bytes_kept().sum::<u64>() > target.frozen_budget || largest > target.max_buffer {
        frozen.fill(false);
    }
    frozen
}

/// For each node that the step of another one computes, that one: spectra that are not kept, and
/// the filters that only they read, belong to the op that convolves. It makes and uses them by
/// groups of channels, since a whole spectrum can be larger than a buffer may be.
pub(super) fn owners(graph: &Graph, frozen: &[bool]) -> Vec<Option<NodeId>> {
    let mut readers: Vec<Vec<NodeId>> = vec![Vec::new(); graph.nodes().len()];
    for (id, node) in graph.iter() {
        node.inputs.iter().for_each(|i| readers[i.index()].push(id));
    }
    let read_outside: Vec<NodeId> = graph.outputs().iter().map(|(_, id)| *id).collect();
    let mut owners = vec![None; graph.nodes().len()];
    for (id, node) in graph.iter().collect::<Vec<_>>().into_iter().rev() {
        let [first, rest @ ..] = &readers[id.index()][..] else { continue };
        let alone = rest.iter().all(|r| r == first) && !read_outside.contains(&id);
        if !alone || frozen[id.index()] {
            continue;
        }
        owners[id.index()] = match (&node.op, &graph.node(*first).op) {
            (Op::ConvSpectrum(_), Op::SequenceMixer(_) | Op::ConvPair(_) | Op::LongConv(_)) => {
                Some(*first)
            }
            (Op::ImplicitFilter(_), Op::ConvSpectrum(_)) => owners[first.index()],
            _ => None,
        };
    }
    owners
}

/// The steps that are run once, and those of every run.
pub(super) fn schedule(
    graph: &Graph,
    views: &[Option<(NodeId, usize)>],
    frozen: &[bool],
    owners: &[Option<NodeId>],
    regions: bool,
) -> (Vec<Step>, Vec<Step>) {
    let (mut prologue, mut steps): (Vec<Step>, Vec<Step>) = (Vec::new(), Vec::new());
    let mut open: Option<Dim> = None;
    for (id, node) in graph.iter().filter(|(_, n)| !n.op.is_source()) {
        if owners[id.index()].is_some() {
            continue;
        }
        if frozen[id.index()] {
            if views[id.index()].is_none() {
                prologue.push(Step { nodes: vec![id] });
            }
            continue;
        }
        let lead = node.ty.shape.first().copied();
        let local = matches!(node.op.rule().locality(), Locality::TokenLocal | Locality::Halo(_))
            || views[id.index()].is_some();
        let joins = regions
            && local
            && node.ty.shape.len() == 2
            && matches!(lead, Some(Dim::Tokens | Dim::Rows | Dim::Asked));
        let last = steps.last_mut().filter(|_| joins && open == lead);
        if let Some(step) = last.filter(|s| !crosses_halo(graph, s, node)) {
            step.nodes.push(id);
        } else if joins || views[id.index()].is_none() {
            let owned = graph.iter().map(|(n, _)| n).filter(|n| owners[n.index()] == Some(id));
            steps.push(Step { nodes: owned.chain([id]).collect() });
            open = if joins { lead } else { None };
        }
    }
    (prologue, steps)
}

/// Whether a node would need, after an op that reaches back, a value from before it: the tokens at
/// the borders of blocks are finished from that op on, so a region must not.
fn crosses_halo(graph: &Graph, step: &Step, node: &Node) -> bool {
    let reaches_back =
        |id: &NodeId| matches!(graph.node(*id).op.rule().locality(), Locality::Halo(_));
    let Some(at) = step.nodes.iter().position(reaches_back) else { return false };
    matches!(node.op.rule().locality(), Locality::Halo(_))
        || node.inputs.iter().any(|i| step.nodes[..at].contains(i))
}
