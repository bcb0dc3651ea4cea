//! The plain executor: any graph, node by node, in f64 (the oracle) or f32.

use m2_ir::{Batch, Graph, HostTensor, Node, Op, Parameters, RowTable, Sizes};

use crate::{array::Array, error::Error, ops, real::Real};

/// What an op may read beside its operands.
pub(crate) struct Context<'a> {
    /// The rows of the batch.
    pub rows: &'a RowTable,
    /// Absolute token indices of the asked positions.
    pub asked: &'a [u32],
}

/// Runs a graph and returns its outputs in order, rounded to `R`.
///
/// Values are freed after their last reader.
///
/// # Errors
/// When a parameter or an input is missing or has another shape.
pub fn run<R: Real>(
    graph: &Graph,
    params: &dyn Parameters,
    batch: &Batch,
) -> Result<Vec<Array<R>>, Error> {
    let sizes = batch.sizes();
    let ctx = Context { rows: batch.rows(), asked: batch.asked() };
    let mut uses = graph.uses();
    let mut values: Vec<Option<Array<R>>> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let value = match &node.op {
            Op::Param => source(node, params.get(&node.name), &sizes)?,
            Op::Input => source(node, batch.input(&node.name).cloned(), &sizes)?,
            op => {
                let inputs: Vec<&Array<R>> =
                    node.inputs.iter().filter_map(|i| values[i.index()].as_ref()).collect();
                let mut out = Array::zeros(&node.ty.concrete(&sizes));
                ops::plain(op, &ctx, &inputs, &mut out);
                out
            }
        };
        values.push(Some(value));
        for i in &node.inputs {
            uses[i.index()] -= 1;
            if uses[i.index()] == 0 {
                values[i.index()] = None;
            }
        }
    }
    Ok(graph.outputs().iter().filter_map(|(_, id)| values[id.index()].clone()).collect())
}

/// A weight or an input as an array of the declared shape.
pub(crate) fn source<R: Real>(
    node: &Node,
    tensor: Option<HostTensor>,
    sizes: &Sizes,
) -> Result<Array<R>, Error> {
    let expected = node.ty.concrete(sizes);
    let tensor = tensor
        .ok_or_else(|| Error::Missing { name: node.name.clone(), expected: expected.clone() })?;
    if tensor.shape() != expected {
        return Err(Error::Shape {
            name: node.name.clone(),
            expected,
            found: tensor.shape().to_vec(),
        });
    }
    Ok(Array { shape: expected, data: tensor.to_f64().into_iter().map(R::of).collect() })
}
