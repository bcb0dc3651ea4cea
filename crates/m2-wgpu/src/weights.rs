//! Weights on the device, and tables that kernels read.

use std::collections::{HashMap, HashSet};

use m2_ir::{Graph, Node, NodeId, Op, Parameters, f32_to_f16, ops::Orientation};

use crate::{
    Error, Storage,
    buffer::{Buffer, padded},
    gpu::Gpu,
    launch::{Launch, Slot},
    settings::Settings,
    tables::Table,
    upload::Uploader,
};

/// Weights on the device by name, shared by all programs of a model, with the tables that programs
/// of any model share.
#[derive(Debug, Default)]
pub struct Weights {
    params: HashMap<(String, Storage), (Buffer, Vec<usize>)>,
    tables: HashMap<Table, Buffer>,
}

impl Weights {
    /// Uploads the weights of a graph that are not there yet.
    ///
    /// # Errors
    /// When one is missing, has another shape, or is larger than a binding may be.
    pub(crate) async fn add(
        &mut self,
        gpu: &Gpu,
        graph: &Graph,
        params: &dyn Parameters,
        settings: &Settings,
    ) -> Result<(), Error> {
        let mut uploader = Uploader::default();
        for (id, node) in used(graph) {
            let stored = storage(graph, id, settings.products.weights);
            self.add_one(gpu, node, stored, params, settings.max_binding, &mut uploader).await?;
        }
        Ok(())
    }

    async fn add_one(
        &mut self,
        gpu: &Gpu,
        node: &Node,
        stored: Storage,
        params: &dyn Parameters,
        max_binding: u64,
        uploader: &mut Uploader,
    ) -> Result<(), Error> {
        let expected: Vec<usize> = node.ty.shape.iter().filter_map(|d| d.fixed()).collect();
        let shape_error = |found: &[usize]| Error::ParameterShape {
            name: node.name.clone(),
            expected: expected.clone(),
            found: found.to_vec(),
        };
        let key = (node.name.clone(), stored);
        if let Some((_, found)) = self.params.get(&key) {
            return if *found == expected { Ok(()) } else { Err(shape_error(found)) };
        }
        let tensor = params.get(&node.name).ok_or_else(|| Error::MissingParameter {
            name: node.name.clone(),
            expected: expected.clone(),
        })?;
        if tensor.shape() != expected {
            return Err(shape_error(tensor.shape()));
        }
        let values = tensor.to_f32();
        let packed = (stored == Storage::F16).then(|| half_pairs(&values));
        let words = packed.as_deref().unwrap_or_else(|| bytemuck::cast_slice(&values));
        let bytes = size_of_val(words);
        if bytes as u64 > max_binding {
            return Err(Error::Limit {
                what: format!("weight {} in bytes", node.name),
                needed: bytes as u64,
                available: max_binding,
                hint: "use a smaller model or the CPU",
            });
        }
        let buffer = gpu.storage(&node.name, bytes as u64);
        uploader.write(gpu, &buffer, bytemuck::cast_slice(words)).await?;
        self.params.insert(key, (buffer, expected));
        gpu.check()
    }

    /// The buffer of a weight.
    pub(crate) fn param(&self, name: &str, stored: Storage) -> Option<&Buffer> {
        self.params.get(&(name.to_owned(), stored)).map(|p| &p.0)
    }

    /// The buffer of a table, made at its first use.
    pub(crate) fn table(&mut self, gpu: &Gpu, table: Table) -> &Buffer {
        self.tables.entry(table).or_insert_with(|| {
            let buffer = gpu.storage(table.name(), table.bytes());
            gpu.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(&table.values()));
            buffer
        })
    }
}

/// The weights that something reads.
fn used(graph: &Graph) -> impl Iterator<Item = (NodeId, &Node)> {
    let uses = graph.uses();
    graph.iter().filter(move |(id, n)| n.op == Op::Param && uses[id.index()] > 0)
}

/// Bytes of the weights of a graph, products' weights stored as `wanted`.
pub(crate) fn bytes(graph: &Graph, wanted: Storage) -> u64 {
    let len = |n: &Node| n.ty.shape.iter().filter_map(|d| d.fixed()).product::<usize>();
    let bytes = |(id, n)| stored_bytes(len(n), storage(graph, id, wanted));
    used(graph).map(bytes).map(padded).sum()
}

/// Bytes of so many elements.
pub(crate) fn stored_bytes(elements: usize, stored: Storage) -> u64 {
    match stored {
        Storage::F32 => elements as u64 * 4,
        Storage::F16 => elements.div_ceil(2) as u64 * 4,
    }
}

/// The tables that dispatches read, each once.
pub(crate) fn tables<'a>(launches: impl Iterator<Item = &'a Launch>) -> HashSet<Table> {
    let slots = launches.flat_map(|l| &l.bindings).map(|b| b.slot());
    let table = |slot| if let Slot::Table(table) = slot { Some(table) } else { None };
    slots.filter_map(table).collect()
}

/// How a weight is stored where `wanted` is asked for: in half precision only what nothing but
/// products' kernels reads as weights.
pub(crate) fn storage(graph: &Graph, id: NodeId, wanted: Storage) -> Storage {
    let is_weight = |node: &Node, operand: usize| match &node.op {
        Op::MatMul(o) => {
            let columns = graph.node(node.inputs[0]).ty.shape.first();
            let by_column = columns.is_some_and(|d| d.fixed().is_none());
            operand == 1 && o.orientation != Orientation::Tn && by_column
        }
        Op::BlockDiagMatMul(o) => {
            let blocks = graph.node(node.inputs[1]).ty.shape[0].fixed().unwrap_or(1);
            operand == 1 && (!o.epilogue.glu || blocks == 1 || blocks.is_multiple_of(2))
        }
        Op::Monarch(_) => operand > 0,
        _ => false,
    };
    let reads = |n: &&Node| n.inputs.contains(&id);
    let only_weight = |n: &Node| {
        n.inputs.iter().enumerate().all(|(operand, i)| *i != id || is_weight(n, operand))
    };
    let wanted_as_is = graph.outputs().iter().any(|(_, o)| *o == id);
    if graph.node(id).op == Op::Param
        && !wanted_as_is
        && graph.nodes().iter().filter(reads).all(only_weight)
    {
        return wanted;
    }
    Storage::F32
}

/// Pairs of halves, the first in the lower bits, clamped to what a half can hold.
fn half_pairs(values: &[f32]) -> Vec<u32> {
    let half = |v: f32| u32::from(f32_to_f16(v.clamp(-65504.0, 65504.0)));
    values.chunks(2).map(|pair| half(pair[0]) | pair.get(1).map_or(0, |&v| half(v) << 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_packed_and_clamped() {
        assert_eq!(half_pairs(&[1.0, -2.0, 0.5]), [0xc000_3c00, 0x3800]);
        assert_eq!(half_pairs(&[1e30, f32::NEG_INFINITY]), [0xfbff_7bff]);
    }
}
