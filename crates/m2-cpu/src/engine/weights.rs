//! Weights as kernels read them: packed for products, or as they are.

use std::{collections::BTreeMap, fmt, sync::Arc};

use m2_ir::{HostTensor, Node, Parameters};

use super::Machine;
use crate::{Error, gemm::PackedB};

/// Weights of a model, shared by its programs.
#[derive(Debug, Default)]
pub struct CpuWeights {
    raw: BTreeMap<String, Arc<Raw>>,
    /// By name and number of row blocks.
    packed: BTreeMap<(String, usize), Arc<Vec<PackedB>>>,
}

/// A weight as it is, in f32.
pub(crate) struct Raw {
    tensor: HostTensor,
    /// A copy, where the tensor's own bytes are not aligned f32.
    copy: Option<Vec<f32>>,
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tensor.fmt(f)
    }
}

impl Raw {
    fn new(tensor: HostTensor) -> Self {
        let copy = match tensor.to_f32() {
            std::borrow::Cow::Borrowed(_) => None,
            std::borrow::Cow::Owned(v) => Some(v),
        };
        Raw { tensor, copy }
    }

    pub(crate) fn slice(&self) -> &[f32] {
        match &self.copy {
            Some(v) => v,
            None => bytemuck::try_cast_slice(self.tensor.bytes()).unwrap_or_default(),
        }
    }
}

impl CpuWeights {
    pub(super) fn raw(&mut self, node: &Node, params: &dyn Parameters) -> Result<Arc<Raw>, Error> {
        if let Some(raw) = self.raw.get(&node.name) {
            return Ok(raw.clone());
        }
        let raw = Arc::new(Raw::new(find(node, params)?));
        self.raw.insert(node.name.clone(), raw.clone());
        Ok(raw)
    }

    /// The weight (.., k), its rows cut into `blocks` of equal size, each packed for itself.
    pub(super) fn packed(
        &mut self,
        machine: &Machine<'_>,
        node: &Node,
        blocks: usize,
        params: &dyn Parameters,
    ) -> Result<Arc<Vec<PackedB>>, Error> {
        let key = (node.name.clone(), blocks);
        if let Some(packed) = self.packed.get(&key) {
            return Ok(packed.clone());
        }
        let tensor = find(node, params)?;
        let w = tensor.to_f32();
        let k = tensor.shape().last().copied().unwrap_or(0);
        let n = w.len() / k.max(1) / blocks;
        let packed = w
            .chunks(n.max(1) * k.max(1))
            .take(blocks)
            .map(|w| PackedB::pack_on(machine.pool, machine.isa, w, n, k))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Error::Memory { what: "packed weights", bytes: 4 * w.len() })?;
        let packed = Arc::new(packed);
        self.packed.insert(key, packed.clone());
        Ok(packed)
    }
}

fn find(node: &Node, params: &dyn Parameters) -> Result<HostTensor, Error> {
    let expected: Vec<usize> = node.ty.shape.iter().filter_map(|d| d.fixed()).collect();
    let Some(tensor) = params.get(&node.name) else {
        return Err(Error::Missing { name: node.name.clone(), expected });
    };
    if tensor.shape() != expected {
        let found = tensor.shape().to_vec();
        return Err(Error::Shape { name: node.name.clone(), expected, found });
    }
    Ok(tensor)
}
