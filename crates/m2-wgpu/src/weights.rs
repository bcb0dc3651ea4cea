//! Weights on the device, and tables that kernels read.

use std::collections::HashMap;

use m2_ir::{Graph, Node, Op, Parameters, ops::alibi_slopes};

use crate::{Error, gpu::Gpu};

/// Bytes that are staged before they are handed to the device.
const STAGED: usize = 32 << 20;

/// exp(−iπk/n).
fn root(k: usize, n: usize) -> [f32; 2] {
    let angle = -std::f64::consts::PI * k as f64 / n as f64;
    [angle.cos() as f32, angle.sin() as f32]
}

/// Weights on the device by name, shared by all programs of a model, with the tables that programs
/// of any model share.
#[derive(Debug, Default)]
pub struct Weights {
    params: HashMap<String, (wgpu::Buffer, Vec<usize>)>,
    roots: HashMap<usize, wgpu::Buffer>,
    long_roots: HashMap<(usize, usize), wgpu::Buffer>,
    slopes: HashMap<usize, wgpu::Buffer>,
    staged: usize,
}

impl Weights {
    /// Uploads the weights of a graph that are not there yet.
    ///
    /// # Errors
    /// When one is missing, has another shape, or is larger than a binding may be.
    pub(crate) fn add(
        &mut self,
        gpu: &Gpu,
        graph: &Graph,
        params: &dyn Parameters,
        max_binding: u64,
    ) -> Result<(), Error> {
        let uses = graph.uses();
        for (id, node) in graph.iter().filter(|(_, n)| n.op == Op::Param) {
            if uses[id.index()] > 0 {
                self.add_one(gpu, node, params, max_binding)?;
            }
        }
        Ok(())
    }

    fn add_one(
        &mut self,
        gpu: &Gpu,
        node: &Node,
        params: &dyn Parameters,
        max_binding: u64,
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
        let buffer = gpu.upload(&node.name, &values);
        self.params.insert(node.name.clone(), (buffer, expected));
        self.staged += bytes;
        if self.staged > STAGED {
            // Staging memory is freed once the copies are done.
            gpu.queue.submit([]);
            self.staged = 0;
        }
        gpu.check()
    }

    /// The buffer of a weight.
    pub(crate) fn param(&self, name: &str) -> Option<&wgpu::Buffer> {
        self.params.get(name).map(|p| &p.0)
    }

    /// The first `n` of the 2n-th roots of unity, exp(−iπk/n) as pairs.
    pub(crate) fn roots(&mut self, gpu: &Gpu, n: usize) -> &wgpu::Buffer {
        self.roots.entry(n).or_insert_with(|| {
            gpu.upload("roots", &(0..n).flat_map(|k| root(k, n)).collect::<Vec<f32>>())
        })
    }

    /// The 2n-th roots of unity as products: 2n / low of them, `low` apart, then the first `low`.
    pub(crate) fn long_roots(&mut self, gpu: &Gpu, n: usize, low: usize) -> &wgpu::Buffer {
        self.long_roots.entry((n, low)).or_insert_with(|| {
            let powers = (0..2 * n).step_by(low).chain(0..low);
            gpu.upload("long roots", &powers.flat_map(|k| root(k, n)).collect::<Vec<f32>>())
        })
    }

    /// ALiBi's slopes.
    pub(crate) fn slopes(&mut self, gpu: &Gpu, heads: usize) -> &wgpu::Buffer {
        self.slopes.entry(heads).or_insert_with(|| {
            let table: Vec<f32> = alibi_slopes(heads).into_iter().map(|s| s as f32).collect();
            gpu.upload("slopes", &table)
        })
    }
}
