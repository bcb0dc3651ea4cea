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

#[cfg(test)]
mod tests {
    use crate::{
        Builder, Dim, NodeId, Sizes, Target,
        ops::{Epilogue, LayerNorm, MatMul},
        plan::{Fusion, Place, Plan, lower},
    };

    const LAST: usize = 8;

    /// product, norm, product, and what `more` makes of the norm before or after the second product.
    fn plan(inside: bool, more: fn(&mut Builder, NodeId, bool)) -> Plan {
        let mut g = Builder::new();
        let x = g.input("x", [Dim::Tokens, Dim::Fixed(4)], crate::DType::F32);
        let (w0, gamma, beta) = (g.param("w0", &[8, 4]), g.param("w", &[8]), g.param("b", &[8]));
        let product = g.add(MatMul::linear(), &[x, w0]).unwrap();
        let norm = LayerNorm { eps: 1e-5, residual: false };
        let norm = g.add(norm, &[product, gamma, beta]).unwrap();
        more(&mut g, norm, false);
        let w1 = g.param("w1", &[LAST, 8]);
        let y = g.add(MatMul::linear(), &[norm, w1]).unwrap();
        g.output("y", y);
        more(&mut g, norm, true);
        let class = Sizes { tokens: 64, rows: 1, asked: 0, span: 64 };
        let target = Target { norms_in_products: inside, ..Target::webgpu() };
        lower(&g.finish(), &target, class, Fusion::Full).unwrap()
    }

    /// Activation values a token of each step; inputs of the graph are none.
    fn widths(plan: &Plan) -> Vec<u64> {
        plan.costs().iter().map(|c| c.activation_width).collect()
    }

    fn place_of_norm(plan: &Plan) -> Place {
        let norm = plan.graph.iter().find(|(_, n)| n.op.name() == "layer_norm").unwrap().0;
        plan.places[norm.index()]
    }

    fn residual(g: &mut Builder, norm: NodeId, after: bool) {
        let w = g.param(format!("w2{after}"), &[8, 8]);
        let op = MatMul {
            epilogue: Epilogue { residual: true, ..Epilogue::default() },
            ..MatMul::linear()
        };
        let y = g.add(op, &[norm, w, norm]).unwrap();
        g.output(if after { "late" } else { "early" }, y);
    }

    #[test]
    fn norms_between_products_have_no_step() {
        let alone = plan(true, |_, _, _| {});
        assert_eq!(widths(&alone), [8, 8 + LAST as u64]);
        assert_eq!(place_of_norm(&alone), Place::Region);
        let apart = plan(false, |_, _, _| {});
        assert_eq!(widths(&apart), [8, 8 + 8, 8 + LAST as u64]);
    }

    #[test]
    fn norms_that_others_read_are_stored_by_the_second_product() {
        let kept = plan(true, |g, norm, after| {
            if after {
                residual(g, norm, after);
            }
        });
        assert_eq!(widths(&kept), [8, 8 + 8 + LAST as u64, 8 + 8]);
        assert!(matches!(place_of_norm(&kept), Place::Buffer(_)));
    }

    #[test]
    fn norms_stay_where_the_first_reader_cannot_normalise() {
        let plan = plan(true, |g, norm, after| {
            if !after {
                residual(g, norm, after);
            }
        });
        assert_eq!(widths(&plan), [8, 8 + 8, 8 + 8, 8 + LAST as u64]);
    }
}
