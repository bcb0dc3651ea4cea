//! A plan with every object of the device that running it needs.

use std::{collections::HashMap, fmt};

use m2_ir::{Batch, DType, HostTensor, NodeId, Op, Parameters, Plan, Sizes, Type, plan::Place};

use crate::{
    Error, Storage, Weights,
    gpu::Gpu,
    launch::{Bind, Grid, Launch, Slot},
    layout::{self, Layout},
    lowering,
    sizes::{self, RunRow, RunSizes},
    variants::Products,
    weights::storage,
};

/// What the device's limits and options decide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Longest transform in workgroup memory.
    pub longest_transform: usize,
    /// Largest binding in bytes.
    pub max_binding: u64,
    /// How products are computed.
    pub products: Products,
}

/// One recorded dispatch.
struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    grid: Grid,
}

/// A part of a buffer that holds a value.
#[derive(Clone)]
struct Part {
    buffer: wgpu::Buffer,
    offset: u64,
    bytes: u64,
}

struct Input {
    name: String,
    ty: Type,
    buffer: wgpu::Buffer,
}

struct Output {
    ty: Type,
    part: Part,
    staging: wgpu::Buffer,
}

/// A loaded plan.
pub struct Program {
    plan: Plan,
    class: Sizes,
    buffers: Vec<wgpu::Buffer>,
    scratch: HashMap<usize, wgpu::Buffer>,
    sizes: wgpu::Buffer,
    rows: wgpu::Buffer,
    first: wgpu::Buffer,
    asked: wgpu::Buffer,
    inputs: Vec<Input>,
    dispatches: Vec<Dispatch>,
    outputs: Vec<Output>,
    /// True sizes of the last run, and what its kernels were told of them.
    last: Option<(Sizes, RunSizes)>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("class", &self.plan.class)
            .field("dispatches", &self.dispatches.len())
            .field("buffers", &self.buffers.len())
            .finish_non_exhaustive()
    }
}

impl Program {
    /// Makes everything, and computes what depends on weights alone.
    pub(crate) async fn load(
        gpu: &Gpu,
        plan: Plan,
        params: &dyn Parameters,
        weights: &mut Weights,
        settings: Settings,
    ) -> Result<Self, Error> {
        let prologue = lowering::lower(&plan, &plan.prologue, &settings)?;
        let steps = lowering::lower(&plan, &plan.steps, &settings)?;
        let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let loaded = weights.add(gpu, &plan.graph, params, &settings);
        let parts = match loaded {
            Ok(()) => Parts::allocate(gpu, plan, weights, &settings, &prologue, &steps),
            Err(e) => Err(e),
        };
        if let Some(e) = scope.pop().await {
            return Err(Error::OutOfMemory(e.to_string()));
        }
        let parts = parts?;
        gpu.check()?;
        let once = parts.record(gpu, weights, &prologue).await?;
        let dispatches = parts.record(gpu, weights, &steps).await?;
        let program = parts.finish(gpu, dispatches)?;
        let sizes = RunSizes::without_batch(&program.class);
        gpu.queue.write_buffer(&program.sizes, 0, bytemuck::bytes_of(&sizes));
        submit(gpu, &once, &sizes, 1)?;
        gpu.check()?;
        Ok(program)
    }

    /// Runs one batch.
    pub(crate) fn run(&mut self, gpu: &Gpu, batch: &Batch) -> Result<(), Error> {
        batch.check(&self.plan)?;
        let sizes = RunSizes::of(batch, &self.class);
        let rows = sizes::rows(batch);
        let first: Vec<u32> = batch.rows().rows().iter().map(|r| r.offset).collect();
        gpu.queue.write_buffer(&self.sizes, 0, bytemuck::bytes_of(&sizes));
        gpu.queue.write_buffer(&self.rows, 0, bytemuck::cast_slice(&rows));
        gpu.queue.write_buffer(&self.first, 0, bytemuck::cast_slice(&first));
        gpu.queue.write_buffer(&self.asked, 0, bytemuck::cast_slice(batch.asked()));
        for input in &self.inputs {
            if let Some(tensor) = batch.input(&input.name) {
                self.upload(gpu, input, tensor);
            }
        }
        submit(gpu, &self.dispatches, &sizes, 1)?;
        gpu.check()?;
        self.last = Some((Sizes { span: self.plan.class.span, ..batch.sizes() }, sizes));
        Ok(())
    }

    /// The dispatches of the last run once more, without its uploads.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn replay(&self, gpu: &Gpu, times: usize) -> Result<(), Error> {
        let (_, sizes) = self.last()?;
        submit(gpu, &self.dispatches, &sizes, times)
    }

    fn last(&self) -> Result<(Sizes, RunSizes), Error> {
        self.last.ok_or(Error::Output { index: 0, why: "nothing has run yet" })
    }

    fn upload(&self, gpu: &Gpu, input: &Input, tensor: &HostTensor) {
        if input.ty.dtype == DType::U32 {
            gpu.queue.write_buffer(&input.buffer, 0, tensor.bytes());
            return;
        }
        let layout = Layout::of(&input.ty, &self.class);
        let values = layout.scatter(tensor.shape(), &tensor.to_f32());
        gpu.queue.write_buffer(&input.buffer, 0, bytemuck::cast_slice(&values));
    }

    /// Reads an output of the last run.
    pub(crate) async fn read(&self, gpu: &Gpu, index: usize) -> Result<HostTensor, Error> {
        let missing = |why| Error::Output { index, why };
        let output = self.outputs.get(index).ok_or_else(|| missing("there is no such output"))?;
        let (sizes, _) = self.last()?;
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        let Part { buffer, offset, bytes } = &output.part;
        encoder.copy_buffer_to_buffer(buffer, *offset, &output.staging, 0, *bytes);
        gpu.queue.submit([encoder.finish()]);
        gpu.map(&output.staging).await?;
        let tensor = match output.staging.get_mapped_range(..) {
            Ok(view) => self.collect(output, &view, &sizes),
            Err(e) => return Err(Error::Validation(e.to_string())),
        };
        output.staging.unmap();
        gpu.check()?;
        Ok(tensor)
    }

    fn collect(&self, output: &Output, bytes: &[u8], sizes: &Sizes) -> HostTensor {
        let shape = output.ty.concrete(sizes);
        if output.ty.dtype == DType::U32 {
            let n = shape.iter().product::<usize>();
            let words: Vec<u32> =
                bytes.as_chunks::<4>().0[..n].iter().map(|b| u32::from_le_bytes(*b)).collect();
            return HostTensor::from_u32(&shape, &words);
        }
        let values: Vec<f32> =
            bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let layout = Layout::of(&output.ty, &self.class);
        HostTensor::from_f32(&shape, &layout.collect(&shape, &values))
    }

    /// Fills every buffer that a run writes with NaN.
    pub(crate) fn poison(&self, gpu: &Gpu) {
        for buffer in self.buffers.iter().chain(self.scratch.values()) {
            let words = vec![f32::NAN; (buffer.size() / 4) as usize];
            gpu.queue.write_buffer(buffer, 0, bytemuck::cast_slice(&words));
        }
    }

    /// Number of dispatches of a run.
    pub fn dispatches(&self) -> usize {
        self.dispatches.len()
    }

    /// The plan that was loaded.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// Records and submits dispatches `times` over, the true sizes deciding their grids.
fn submit(gpu: &Gpu, dispatches: &[Dispatch], sizes: &RunSizes, times: usize) -> Result<(), Error> {
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for d in (0..times).flat_map(|_| dispatches) {
            if let Some((x, y)) = d.grid.of(sizes)? {
                pass.set_pipeline(&d.pipeline);
                pass.set_bind_group(0, &d.bind_group, &[]);
                pass.dispatch_workgroups(x, y, 1);
            }
        }
    }
    gpu.queue.submit([encoder.finish()]);
    Ok(())
}

/// The buffers of a program while its dispatches are recorded.
struct Parts {
    plan: Plan,
    class: Sizes,
    /// For each node with a place of its own.
    values: HashMap<NodeId, wgpu::Buffer>,
    buffers: Vec<wgpu::Buffer>,
    scratch: HashMap<usize, wgpu::Buffer>,
    sizes: wgpu::Buffer,
    rows: wgpu::Buffer,
    first: wgpu::Buffer,
    asked: wgpu::Buffer,
    max_binding: u64,
    products: Products,
}

impl Parts {
    fn allocate(
        gpu: &Gpu,
        plan: Plan,
        weights: &mut Weights,
        settings: &Settings,
        prologue: &[Launch],
        steps: &[Launch],
    ) -> Result<Self, Error> {
        let class = layout::class(&plan.class);
        let bytes = |id: NodeId| Layout::of(&plan.graph.node(id).ty, &class).len() as u64 * 4;
        let mut needed = vec![0; plan.buffers.len()];
        for (id, _) in plan.graph.iter() {
            if let Place::Buffer(b) = plan.places[id.index()] {
                needed[b] = bytes(id).max(needed[b]);
            }
        }
        let buffers: Vec<_> = needed.iter().map(|&n| gpu.storage("activations", n)).collect();
        let uses = plan.graph.uses();
        let mut values = HashMap::new();
        for (id, node) in plan.graph.iter().filter(|(id, _)| uses[id.index()] > 0) {
            let buffer = match (plan.places[id.index()], &node.op) {
                (Place::Source, Op::Param) => {
                    let stored = storage(&plan.graph, id, settings.products.weights);
                    weights.param(&node.name, stored).cloned()
                }
                (Place::Source | Place::Frozen, _) => Some(gpu.storage(&node.name, bytes(id))),
                (Place::Buffer(b), _) => Some(buffers[b].clone()),
                (Place::View { .. } | Place::Region | Place::Unused, _) => None,
            };
            values.extend(buffer.map(|b| (id, b)));
        }
        let scratch = scratch(gpu, prologue.iter().chain(steps));
        for slot in prologue.iter().chain(steps).flat_map(|l| &l.bindings) {
            let (Bind::Read(slot) | Bind::Write(slot)) = slot;
            match *slot {
                Slot::Roots(n) => drop(weights.roots(gpu, n).clone()),
                Slot::Slopes(heads) => drop(weights.slopes(gpu, heads).clone()),
                _ => {}
            }
        }
        use wgpu::BufferUsages as Usage;
        let uniform = Usage::UNIFORM | Usage::COPY_DST;
        Ok(Parts {
            values,
            buffers,
            scratch,
            sizes: gpu.buffer("sizes", size_of::<RunSizes>() as u64, uniform),
            rows: gpu.storage("rows", (class.rows * size_of::<RunRow>()) as u64),
            first: gpu.storage("first", class.rows as u64 * 4),
            asked: gpu.storage("asked", class.asked as u64 * 4),
            max_binding: settings.max_binding,
            products: settings.products,
            plan,
            class,
        })
    }

    /// The part of a buffer where a node's value lies.
    fn part(&self, id: NodeId) -> Result<Part, Error> {
        let node = self.plan.graph.node(id);
        let layout = Layout::of(&node.ty, &self.class);
        let (of, start) = self.plan.resolve(id);
        let base = Layout::of(&self.plan.graph.node(of).ty, &self.class);
        // Columns are contiguous only where tokens are; a row-major tensor is shown as a whole.
        let whole = base.len() == layout.len() && start == 0;
        let shown = base.lead == layout.lead && (layout.lead.is_some() || whole);
        let (Some(buffer), true) = (self.values.get(&of), shown) else {
            return Err(Error::Unsupported {
                path: node.name.clone(),
                op: node.op.name(),
                what: format!("that shows a part of {}", self.plan.graph.node(of).ty),
            });
        };
        let bytes = match storage(&self.plan.graph, of, self.products.weights) {
            Storage::F32 => layout.len() as u64 * 4,
            Storage::F16 => layout.len().div_ceil(2) as u64 * 4,
        };
        self.check_binding(&node.name, bytes)?;
        let offset = (start * base.ld) as u64 * 4;
        Ok(Part { buffer: buffer.clone(), offset, bytes: bytes.next_multiple_of(16) })
    }

    /// A range of the channels of a node's value.
    fn channels(&self, id: NodeId, first: usize, count: usize) -> Result<Part, Error> {
        let node = self.plan.graph.node(id);
        let (of, start) = self.plan.resolve(id);
        let layout = Layout::of(&self.plan.graph.node(of).ty, &self.class);
        let channel = layout.len() as u64 / layout.rest()[0].max(1) as u64 * 4;
        let Some(buffer) = self.values.get(&of) else {
            return Err(Error::Unsupported {
                path: node.name.clone(),
                op: node.op.name(),
                what: "that has no place of its own".into(),
            });
        };
        let bytes = count as u64 * channel;
        self.check_binding(&node.name, bytes)?;
        Ok(Part { buffer: buffer.clone(), offset: (start + first) as u64 * channel, bytes })
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

    fn slot(&self, gpu: &Gpu, weights: &mut Weights, slot: Slot) -> Result<Part, Error> {
        let whole = |buffer: &wgpu::Buffer| Part {
            buffer: buffer.clone(),
            offset: 0,
            bytes: buffer.size(),
        };
        Ok(match slot {
            Slot::Value(id) => self.part(id)?,
            Slot::Channels(id, first, count) => self.channels(id, first, count)?,
            Slot::Rows => whole(&self.rows),
            Slot::First => whole(&self.first),
            Slot::Asked => whole(&self.asked),
            Slot::Roots(n) => whole(weights.roots(gpu, n)),
            Slot::Slopes(heads) => whole(weights.slopes(gpu, heads)),
            Slot::Scratch(i, elements) => {
                self.check_binding("an intermediate value", elements as u64 * 4)?;
                whole(&self.scratch[&i])
            }
        })
    }

    /// Pipelines and bind groups of dispatches.
    async fn record(
        &self,
        gpu: &Gpu,
        weights: &mut Weights,
        launches: &[Launch],
    ) -> Result<Vec<Dispatch>, Error> {
        let mut dispatches = Vec::with_capacity(launches.len());
        for launch in launches {
            let mut parts =
                vec![Part { buffer: self.sizes.clone(), offset: 0, bytes: self.sizes.size() }];
            for bind in &launch.bindings {
                let (Bind::Read(slot) | Bind::Write(slot)) = *bind;
                parts.push(self.slot(gpu, weights, slot)?);
            }
            let bindings: Vec<_> = parts
                .iter()
                .map(|p| wgpu::BufferBinding {
                    buffer: &p.buffer,
                    offset: p.offset,
                    size: std::num::NonZeroU64::new(p.bytes),
                })
                .collect();
            let pipeline = gpu.pipeline(launch).await?;
            dispatches.push(Dispatch {
                bind_group: gpu.bind_group(&launch.label, &pipeline.layout, &bindings),
                pipeline: pipeline.pipeline,
                grid: launch.grid,
            });
            gpu.check()?;
        }
        Ok(dispatches)
    }

    fn finish(self, gpu: &Gpu, dispatches: Vec<Dispatch>) -> Result<Program, Error> {
        use wgpu::BufferUsages as Usage;
        let graph = &self.plan.graph;
        let outputs = graph
            .outputs()
            .iter()
            .map(|(name, id)| {
                let part = self.part(*id)?;
                let staging = gpu.buffer(name, part.bytes, Usage::MAP_READ | Usage::COPY_DST);
                Ok(Output { ty: graph.node(*id).ty.clone(), part, staging })
            })
            .collect::<Result<_, Error>>()?;
        let inputs = graph
            .iter()
            .filter(|(_, n)| n.op == Op::Input)
            .filter_map(|(id, n)| {
                let buffer = self.values.get(&id)?.clone();
                Some(Input { name: n.name.clone(), ty: n.ty.clone(), buffer })
            })
            .collect();
        Ok(Program {
            outputs,
            inputs,
            dispatches,
            plan: self.plan,
            class: self.class,
            buffers: self.buffers,
            scratch: self.scratch,
            sizes: self.sizes,
            rows: self.rows,
            first: self.first,
            asked: self.asked,
            last: None,
        })
    }
}

/// Scratch buffers, each as large as its largest use.
fn scratch<'a>(
    gpu: &Gpu,
    launches: impl Iterator<Item = &'a Launch>,
) -> HashMap<usize, wgpu::Buffer> {
    let mut needed: HashMap<usize, usize> = HashMap::new();
    for bind in launches.flat_map(|l| &l.bindings) {
        let (Bind::Read(slot) | Bind::Write(slot)) = bind;
        if let Slot::Scratch(i, elements) = *slot {
            let most = needed.entry(i).or_default();
            *most = elements.max(*most);
        }
    }
    needed.into_iter().map(|(i, n)| (i, gpu.storage("scratch", n as u64 * 4))).collect()
}
