//! Where values lie while a plan runs.

use m2_ir::{Batch, DType, NodeId, Op, Plan, plan::Place};

use crate::{AlignedVec, Error, conv, engine::Raw, gemm::Rows};

/// A value: rows of `width` f32, `stride` apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub data: &'a [f32],
    pub stride: usize,
    pub width: usize,
}

impl<'a> View<'a> {
    pub(crate) fn row(&self, i: usize) -> &'a [f32] {
        &self.data[i * self.stride..][..self.width]
    }

    /// Rows `first..first + rows` as an operand of a product.
    pub(crate) fn rows(&self, first: usize, rows: usize) -> Rows<'a> {
        let data = &self.data[(first * self.stride).min(self.data.len())..];
        Rows { data, rows, width: self.width, stride: self.stride }
    }
}

/// All values of a program.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// By buffer of the plan; none while a kernel writes it.
    buffers: Vec<Option<AlignedVec<f32>>>,
    /// By node.
    frozen: Vec<Option<AlignedVec<f32>>>,
    /// Weights by node, as far as kernels read them as they are.
    pub(super) raw: Vec<Option<std::sync::Arc<Raw>>>,
    /// Real inputs by node.
    reals: Vec<Vec<f32>>,
    /// Ids by node.
    ids: Vec<Vec<u32>>,
}

impl Store {
    pub(super) fn new(plan: &Plan) -> Result<Self, Error> {
        let n = plan.graph.nodes().len();
        let mut sizes = vec![0; plan.buffers.len()];
        let mut frozen = Vec::with_capacity(n);
        let allocate = |len: usize| {
            AlignedVec::try_zeroed(len)
                .map_err(|e| Error::Memory { what: "activations", bytes: e.bytes })
        };
        for (id, _) in plan.graph.iter() {
            let len = storage_len(plan, id);
            frozen.push(match plan.places[id.index()] {
                Place::Frozen => Some(allocate(len)?),
                Place::Buffer(b) => {
                    sizes[b] = len.max(sizes[b]);
                    None
                }
                _ => None,
            });
        }
        let buffers =
            sizes.into_iter().map(|len| allocate(len).map(Some)).collect::<Result<_, _>>()?;
        Ok(Store {
            buffers,
            frozen,
            raw: vec![None; n],
            reals: vec![Vec::new(); n],
            ids: vec![Vec::new(); n],
        })
    }

    pub(super) fn set_inputs(&mut self, plan: &Plan, batch: &Batch) {
        for (id, node) in plan.graph.iter().filter(|(_, n)| n.op == Op::Input) {
            let Some(value) = batch.input(&node.name) else { continue };
            if node.ty.dtype == DType::U32 {
                let words = value.bytes().as_chunks::<4>().0;
                self.ids[id.index()] = words.iter().map(|b| u32::from_le_bytes(*b)).collect();
            } else {
                self.reals[id.index()] = value.to_f32().into_owned();
            }
        }
    }

    /// A value, views followed.
    pub(crate) fn view(&self, plan: &Plan, id: NodeId) -> View<'_> {
        let (of, start) = plan.resolve(id);
        let data: &[f32] = match plan.places[of.index()] {
            Place::Buffer(b) => self.buffers[b].as_deref().unwrap_or_default(),
            Place::Frozen => self.frozen[of.index()].as_deref().unwrap_or_default(),
            Place::Source => match &self.raw[of.index()] {
                Some(raw) => raw.slice(),
                None => &self.reals[of.index()],
            },
            Place::View { .. } | Place::Region | Place::Unused => &[],
        };
        let width =
            |id: NodeId| plan.graph.node(id).ty.shape.last().map_or(1, |d| d.of(&plan.class));
        let reshaped = matches!(plan.graph.node(id).op, Op::Reshape(_));
        let stride = if reshaped { width(id) } else { width(of) };
        View { data: data.get(start..).unwrap_or_default(), stride, width: width(id) }
    }

    /// The ids of an input.
    pub(crate) fn ids(&self, id: NodeId) -> &[u32] {
        &self.ids[id.index()]
    }

    /// Takes the memory of a value that a kernel is about to write; [`Store::put`] gives it back.
    pub(crate) fn take(&mut self, plan: &Plan, id: NodeId) -> Result<AlignedVec<f32>, Error> {
        let slot = match plan.places[id.index()] {
            Place::Buffer(b) => &mut self.buffers[b],
            _ => &mut self.frozen[id.index()],
        };
        // Only a kernel that failed keeps memory; the next run gets a new buffer.
        match slot.take() {
            Some(memory) => Ok(memory),
            None => AlignedVec::try_zeroed(storage_len(plan, id))
                .map_err(|e| Error::Memory { what: "activations", bytes: e.bytes }),
        }
    }

    pub(crate) fn put(&mut self, plan: &Plan, id: NodeId, memory: AlignedVec<f32>) {
        match plan.places[id.index()] {
            Place::Buffer(b) => self.buffers[b] = Some(memory),
            _ => self.frozen[id.index()] = Some(memory),
        }
    }

    pub(super) fn poison(&mut self) {
        self.buffers.iter_mut().flatten().for_each(|b| b.fill(f32::NAN));
    }
}

/// Floats that a value takes; a spectrum has a layout of its own.
fn storage_len(plan: &Plan, id: NodeId) -> usize {
    let node = plan.graph.node(id);
    let Op::ConvSpectrum(o) = &node.op else { return node.ty.len(&plan.class) };
    let channels = node.ty.shape[0].of(&plan.class);
    conv::groups(channels) * conv::Transform::group_len(plan.class.span, o.pair)
}
