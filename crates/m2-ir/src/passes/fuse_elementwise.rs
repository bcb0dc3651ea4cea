//! Joins chains of elementwise ops into one expression.

use super::rewrite;
use crate::{Error, Expr, Graph, NodeId, Op, ops::Elementwise};

/// An elementwise op takes in the elementwise ops that only it reads.
///
/// # Errors
/// When a joined expression does not accept its operands.
pub fn fuse_elementwise(graph: &Graph) -> Result<Graph, Error> {
    let uses = graph.uses();
    rewrite(graph, |b, _, node, inputs| {
        let Op::Elementwise(e) = &node.op else { return None };
        let mut operands: Vec<NodeId> = Vec::new();
        let mut operand = |id: NodeId| {
            let at = operands.iter().position(|&o| o == id).unwrap_or_else(|| {
                operands.push(id);
                operands.len() - 1
            });
            Expr::input(at as u8)
        };
        let mut joined = false;
        let parts: Option<Vec<Expr>> = inputs
            .iter()
            .zip(&node.inputs)
            .map(|(&new, old)| {
                let producer = b.node(new);
                match &producer.op {
                    // A smaller producer would be computed once for every element it is spread to.
                    Op::Elementwise(p) if uses[old.index()] == 1 && producer.ty == node.ty => {
                        joined = true;
                        let inner: Vec<Expr> =
                            producer.inputs.iter().map(|&i| operand(i)).collect();
                        p.expr.substitute(&inner)
                    }
                    _ => Some(operand(new)),
                }
            })
            .collect();
        let expr = e.expr.substitute(&parts?)?;
        // Eight bindings a stage is what every GPU grants; one is the result.
        if !joined || operands.len() > 7 {
            return None;
        }
        Some(b.push(Elementwise::new(expr).into(), &operands, node.name.clone()))
    })
}
