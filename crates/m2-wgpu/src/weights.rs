//! Weights on the device, and tables that kernels read.

use std::collections::{HashMap, HashSet};

use m2_ir::{Graph, Node, Op, Parameters, ops::alibi_slopes};

use crate::{
    Error,
    buffer::{Buffer, padded},
    gpu::Gpu,
    launch::{Bind, Launch, Slot},
    upload::Uploader,
};

/// exp(−iπk/n).
fn root(k: usize, n: usize) -> [f32; 2] {
    let angle = -std::f64::consts::PI * k as f64 / n as f64;
    [angle.cos() as f32, angle.sin() as f32]
}

/// Weights on the device by name, shared by all programs of a model, with the tables that programs
/// of any model share.
#[derive(Debug, Default)]
pub struct Weights {
    params: HashMap<String, (Buffer, Vec<usize>)>,
    roots: HashMap<usize, Buffer>,
    long_roots: HashMap<(usize, usize), Buffer>,
    slopes: HashMap<usize, Buffer>,
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
        max_binding: u64,
    ) -> Result<(), Error> {
        let mut uploader = Uploader::default();
        for node in used(graph) {
            self.add_one(gpu, node, params, max_binding, &mut uploader).await?;
        }
        Ok(())
    }

    async fn add_one(
        &mut self,
        gpu: &Gpu,
        node: &Node,
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
        if let Some((_, found)) = self.params.get(&node.name) {
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
        let bytes = size_of_val(&*values);
        if bytes as u64 > max_binding {
            return Err(Error::Limit {
                what: format!("weight {} in bytes", node.name),
                needed: bytes as u64,
                available: max_binding,
                hint: "use a smaller model or the CPU",
            });
        }
        let buffer = gpu.storage(&node.name, bytes as u64);
        uploader.write(gpu, &buffer, bytemuck::cast_slice(&values)).await?;
        self.params.insert(node.name.clone(), (buffer, expected));
        gpu.check()
    }

    /// The buffer of a weight.
    pub(crate) fn param(&self, name: &str) -> Option<&Buffer> {
        self.params.get(name).map(|p| &p.0)
    }

    /// Makes the table of a slot, if it is one.
    pub(crate) fn table(&mut self, gpu: &Gpu, slot: Slot) {
        match slot {
            Slot::Roots(n) => drop(self.roots(gpu, n).clone()),
            Slot::LongRoots(n, low) => drop(self.long_roots(gpu, n, low).clone()),
            Slot::Slopes(heads) => drop(self.slopes(gpu, heads).clone()),
            _ => {}
        }
    }

    /// The first `n` of the 2n-th roots of unity, exp(−iπk/n) as pairs.
    pub(crate) fn roots(&mut self, gpu: &Gpu, n: usize) -> &Buffer {
        self.roots.entry(n).or_insert_with(|| {
            table_of(gpu, "roots", &(0..n).flat_map(|k| root(k, n)).collect::<Vec<f32>>())
        })
    }

    /// The 2n-th roots of unity as products: 2n / low of them, `low` apart, then the first `low`.
    pub(crate) fn long_roots(&mut self, gpu: &Gpu, n: usize, low: usize) -> &Buffer {
        self.long_roots.entry((n, low)).or_insert_with(|| {
            let powers = (0..2 * n).step_by(low).chain(0..low);
            table_of(gpu, "long roots", &powers.flat_map(|k| root(k, n)).collect::<Vec<f32>>())
        })
    }

    /// ALiBi's slopes.
    pub(crate) fn slopes(&mut self, gpu: &Gpu, heads: usize) -> &Buffer {
        self.slopes.entry(heads).or_insert_with(|| {
            let table: Vec<f32> = alibi_slopes(heads).into_iter().map(|s| s as f32).collect();
            table_of(gpu, "slopes", &table)
        })
    }
}

fn table_of(gpu: &Gpu, label: &str, values: &[f32]) -> Buffer {
    let buffer = gpu.storage(label, size_of_val(values) as u64);
    gpu.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(values));
    buffer
}

/// The weights that something reads.
fn used(graph: &Graph) -> impl Iterator<Item = &Node> {
    let uses = graph.uses();
    graph.iter().filter(move |(id, n)| n.op == Op::Param && uses[id.index()] > 0).map(|(_, n)| n)
}

/// Bytes of the weights of a graph.
pub(crate) fn bytes(graph: &Graph) -> u64 {
    let len = |n: &Node| n.ty.shape.iter().filter_map(|d| d.fixed()).product::<usize>();
    used(graph).map(|n| padded(len(n) as u64 * 4)).sum()
}

/// Bytes of the tables that dispatches read.
pub(crate) fn table_bytes<'a>(launches: impl Iterator<Item = &'a Launch>) -> u64 {
    let slots = launches.flat_map(|l| &l.bindings).map(|b| match b {
        Bind::Read(slot) | Bind::Write(slot) => *slot,
    });
    let bytes = |slot: &Slot| match *slot {
        Slot::Roots(n) => Some(8 * n as u64),
        Slot::LongRoots(n, low) => Some(8 * (2 * n / low + low) as u64),
        Slot::Slopes(heads) => Some(4 * heads as u64),
        _ => None,
    };
    let tables: HashSet<Slot> = slots.collect();
    tables.iter().filter_map(bytes).map(padded).sum()
}
