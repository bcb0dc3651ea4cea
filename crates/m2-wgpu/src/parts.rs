//! The buffers of a program, and which part of which buffer a dispatch is given.

use std::collections::HashMap;

use m2_ir::{NodeId, Op, Plan, Sizes, plan::Place};

use crate::{
    Error, Storage, Weights,
    buffer::Buffer,
    draft::Draft,
    gpu::Gpu,
    launch::{Slot, Window, windows},
    layout::Layout,
    memory::is_activation,
    settings::Settings,
    sizes::{self, RunRow, RunSizes},
    weights::{storage, stored_bytes, tables},
};

/// Bindings begin at multiples of this, on every device.
const BINDING_ALIGN: u64 = 256;

/// A part of a buffer.
#[derive(Clone)]
pub(crate) struct Part {
    pub buffer: Buffer,
    pub offset: u64,
    pub bytes: u64,
    /// Whether it holds values along a run's tokens.
    pub activation: bool,
}

impl Part {
    fn whole(buffer: &Buffer) -> Self {
        Part { buffer: buffer.clone(), offset: 0, bytes: buffer.size(), activation: false }
    }

    /// As a binding.
    pub fn binding(&self) -> wgpu::BufferBinding<'_> {
        wgpu::BufferBinding {
            buffer: &self.buffer,
            offset: self.offset,
            size: std::num::NonZeroU64::new(self.bytes),
        }
    }
}

/// All buffers of a program.
pub(crate) struct Parts {
    pub plan: Plan,
    pub class: Sizes,
    /// Pieces of each node's value that has a place of its own.
    values: HashMap<NodeId, Vec<Buffer>>,
    activations: Vec<Vec<Buffer>>,
    scratch: HashMap<usize, Buffer>,
    sizes: Buffer,
    /// First channels and rows that dispatches start at: each has its block of `sizes`.
    windows: Vec<Window>,
    pub rows: Buffer,
    pub first: Buffer,
    pub asked: Buffer,
    max_binding: u64,
    /// How weights of products are stored.
    weights: Storage,
}

impl Parts {
    /// Makes the buffers, and the tables that dispatches read.
    pub fn allocate(
        gpu: &Gpu,
        plan: Plan,
        draft: &Draft,
        weights: &mut Weights,
        settings: &Settings,
    ) -> Self {
        let Draft { class, pieces, buffers, .. } = draft;
        let colors = buffers.activations.iter();
        let activations: Vec<Vec<Buffer>> = colors
            .map(|pieces| pieces.iter().map(|&b| gpu.storage("activations", b)).collect())
            .collect();
        let mut values: HashMap<NodeId, Vec<Buffer>> = HashMap::new();
        for (id, bytes) in &buffers.values {
            values.insert(*id, vec![gpu.storage(&plan.graph.node(*id).name, *bytes)]);
        }
        for (id, node) in plan.graph.iter() {
            let found = match (plan.places[id.index()], &node.op) {
                (Place::Source, Op::Param) => {
                    let stored = storage(&plan.graph, id, settings.products.weights);
                    weights.param(&node.name, stored).map(|b| vec![b.clone()])
                }
                (Place::Buffer(b), _) => Some(activations[b][..pieces[id.index()]].to_vec()),
                _ => None,
            };
            values.extend(found.map(|b| (id, b)));
        }
        // Now, where a failed allocation is noticed.
        for table in tables(draft.launches()) {
            weights.table(gpu, table);
        }
        let windows = windows(draft.launches());
        use wgpu::BufferUsages as Usage;
        let uniform = Usage::UNIFORM | Usage::COPY_DST;
        let scratch =
            buffers.scratch.iter().map(|(&i, &b)| (i, gpu.storage("scratch", b))).collect();
        Parts {
            values,
            activations,
            scratch,
            sizes: gpu.buffer("sizes", (windows.len() * sizes::BLOCK) as u64, uniform),
            windows,
            rows: gpu.storage("rows", (class.rows * size_of::<RunRow>()) as u64),
            first: gpu.storage("first", class.rows as u64 * 4),
            asked: gpu.storage("asked", class.asked as u64 * 4),
            max_binding: settings.max_binding,
            weights: settings.products.weights,
            plan,
            class: *class,
        }
    }

    /// Tells kernels the sizes of a run.
    pub fn write_sizes(&self, gpu: &Gpu, sizes: &RunSizes) {
        gpu.queue.write_buffer(&self.sizes, 0, &sizes::blocks(sizes, &self.windows));
    }

    /// The sizes as a dispatch with this window sees them.
    pub fn block(&self, window: Window) -> Part {
        let at = self.windows.binary_search(&window).unwrap_or_default();
        let (offset, bytes) = ((at * sizes::BLOCK) as u64, size_of::<RunSizes>() as u64);
        Part { buffer: self.sizes.clone(), offset, bytes, activation: false }
    }

    /// The buffers that a run writes.
    pub fn written(&self) -> impl Iterator<Item = &Buffer> {
        self.activations.iter().flatten().chain(self.scratch.values())
    }

    /// The buffer of an input.
    pub fn input(&self, id: NodeId) -> Option<&Buffer> {
        self.values.get(&id)?.first()
    }

    /// The parts of buffers where a node's value lies, one after the other.
    ///
    /// # Errors
    /// When the value is a view that cannot be shown as parts of buffers.
    pub fn parts(&self, id: NodeId) -> Result<Vec<Part>, Error> {
        let (of, _) = self.plan.resolve(id);
        match self.values.get(&of) {
            Some(pieces) if pieces.len() > 1 && of == id => {
                let piece = self.piece(of, pieces.len());
                let widths = (0..pieces.len()).map(|i| (i * piece, piece));
                widths.map(|(first, count)| self.channels(id, first, count)).collect()
            }
            _ => Ok(vec![self.part(id)?]),
        }
    }

    /// The part of a buffer where a node's whole value lies.
    fn part(&self, id: NodeId) -> Result<Part, Error> {
        let node = self.plan.graph.node(id);
        let layout = Layout::of(&node.ty, &self.class);
        let (of, start) = self.plan.resolve(id);
        let base = Layout::of(&self.plan.graph.node(of).ty, &self.class);
        // Columns are contiguous only where tokens are; a row-major tensor is shown as a whole.
        let whole = base.len() == layout.len() && start == 0;
        let shown = base.lead == layout.lead && (layout.lead.is_some() || whole);
        let pieces = self.values.get(&of).filter(|p| p.len() == 1 && shown);
        let Some(pieces) = pieces else {
            return Err(self.hidden(id, format!("that shows {}", self.plan.graph.node(of).ty)));
        };
        let stored = storage(&self.plan.graph, of, self.weights);
        let bytes = stored_bytes(layout.len(), stored);
        self.check_binding(&node.name, bytes)?;
        Ok(Part {
            buffer: pieces[0].clone(),
            offset: (start * base.ld) as u64 * 4,
            bytes: bytes.next_multiple_of(16),
            activation: is_activation(&self.plan, id),
        })
    }

    /// Channels of each of so many pieces of a value.
    fn piece(&self, of: NodeId, pieces: usize) -> usize {
        Layout::of(&self.plan.graph.node(of).ty, &self.class).rest()[0] / pieces
    }

    /// A range of the channels of a node's value, inside one piece of it.
    fn channels(&self, id: NodeId, first: usize, count: usize) -> Result<Part, Error> {
        let (of, start) = self.plan.resolve(id);
        let layout = Layout::of(&self.plan.graph.node(of).ty, &self.class);
        let channel = layout.len() as u64 / layout.rest()[0].max(1) as u64 * 4;
        let pieces = self.values.get(&of).map_or(&[][..], |p| p);
        let piece = self.piece(of, pieces.len().max(1));
        let at = start + first;
        let bytes = count as u64 * channel;
        match pieces.get(at / piece) {
            Some(buffer) if at % piece + count <= piece => {
                self.check_binding(&self.plan.graph.node(id).name, bytes)?;
                let offset = (at % piece) as u64 * channel;
                let activation = is_activation(&self.plan, id);
                Ok(Part { buffer: buffer.clone(), offset, bytes, activation })
            }
            _ => Err(self.hidden(id, format!("of channels {at} to {}", at + count))),
        }
    }

    /// A range of the elements of a weight.
    fn elements(&self, id: NodeId, first: usize, count: usize) -> Result<Part, Error> {
        let stored = storage(&self.plan.graph, id, self.weights);
        let (offset, bytes) = (stored_bytes(first, stored), stored_bytes(count, stored));
        match self.values.get(&id) {
            Some(pieces) if offset.is_multiple_of(BINDING_ALIGN) => {
                self.check_binding(&self.plan.graph.node(id).name, bytes)?;
                let bytes = bytes.next_multiple_of(16).min(pieces[0].size() - offset);
                Ok(Part { buffer: pieces[0].clone(), offset, bytes, activation: false })
            }
            _ => Err(self.hidden(id, format!("of elements {first} to {}", first + count))),
        }
    }

    fn hidden(&self, id: NodeId, what: String) -> Error {
        let node = self.plan.graph.node(id);
        Error::Unsupported { path: node.name.clone(), op: node.op.name(), what }
    }

    fn check_binding(&self, what: &str, bytes: u64) -> Result<(), Error> {
        if bytes <= self.max_binding {
            return Ok(());
        }
        Err(Error::Limit {
            what: format!("{what} in bytes"),
            needed: bytes,
            available: self.max_binding,
            hint: "use a smaller batch or shorter texts",
        })
    }

    /// What a dispatch sees of a slot.
    ///
    /// # Errors
    /// When a value is larger than a binding may be, or has no place.
    pub fn slot(&self, gpu: &Gpu, weights: &mut Weights, slot: Slot) -> Result<Part, Error> {
        Ok(match slot {
            Slot::Value(id) => self.part(id)?,
            Slot::Channels(id, first, count) => self.channels(id, first, count)?,
            Slot::Elements(id, first, count) => self.elements(id, first, count)?,
            Slot::Rows => Part::whole(&self.rows),
            Slot::First => Part::whole(&self.first),
            Slot::Asked => Part::whole(&self.asked),
            Slot::Table(table) => Part::whole(weights.table(gpu, table)),
            Slot::Scratch(i, elements) => {
                self.check_binding("an intermediate value", elements as u64 * 4)?;
                Part::whole(&self.scratch[&i])
            }
        })
    }
}
