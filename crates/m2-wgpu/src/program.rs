//! A plan with every object of the device that running it needs.

use std::fmt;

use m2_ir::{Batch, DType, HostTensor, Op, Parameters, Plan, Sizes, Type};

use crate::{
    Error, Memory, Recorded, Weights,
    buffer::Buffer,
    draft::Draft,
    gpu::Gpu,
    layout::Layout,
    parts::{Part, Parts},
    pipelines::Progress,
    profile::{Timed, profile},
    readback::{Ring, Run},
    settings::{Pace, Settings},
    sizes::{self, RunSizes},
    submit::{Dispatch, prepare, submit},
};

struct Input {
    name: String,
    ty: Type,
    buffer: Buffer,
}

struct Output {
    ty: Type,
    parts: Vec<Part>,
}

/// The last run: its true sizes, what kernels were told of them, and what was recorded.
#[derive(Clone, Copy)]
#[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "only benchmarks repeat a run"))]
struct Last {
    sizes: Sizes,
    told: RunSizes,
    recorded: Recorded,
}

/// A loaded plan.
pub struct Program {
    parts: Parts,
    inputs: Vec<Input>,
    dispatches: Vec<Dispatch>,
    outputs: Vec<Output>,
    ring: Ring,
    memory: Memory,
    pace: Pace,
    last: Option<Last>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("class", &self.parts.plan.class)
            .field("dispatches", &self.dispatches.len())
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}

impl Program {
    /// Makes everything, and computes what depends on weights alone.
    ///
    /// # Errors
    /// When a limit is exceeded, a weight does not fit, or the device fails.
    pub(crate) async fn load(
        gpu: &Gpu,
        plan: Plan,
        params: &dyn Parameters,
        weights: &mut Weights,
        settings: Settings,
        progress: Option<&Progress>,
    ) -> Result<Self, Error> {
        let draft = Draft::of(&plan, &settings)?;
        let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let loaded = weights.add(gpu, &plan.graph, params, &settings).await;
        let made = loaded.and_then(|()| {
            let parts = Parts::allocate(gpu, plan, &draft, weights, &settings);
            Ok((outputs(gpu, &parts)?, parts))
        });
        if let Some(e) = scope.pop().await {
            gpu.check()?;
            return Err(Error::OutOfMemory(e.to_string()));
        }
        let ((outputs, ring), parts) = made?;
        gpu.check()?;
        let once = prepare(gpu, &parts, weights, &draft.prologue, progress).await?;
        let dispatches = prepare(gpu, &parts, weights, &draft.steps, progress).await?;
        let sizes = RunSizes::without_batch(&parts.class);
        parts.write_sizes(gpu, &sizes);
        submit(gpu, &once, &sizes, &settings.pace, |_| {})?;
        gpu.check()?;
        let inputs = inputs(&parts);
        let (pace, memory) = (settings.pace, draft.memory);
        Ok(Program { parts, inputs, dispatches, outputs, ring, memory, pace, last: None })
    }

    /// Runs one batch.
    ///
    /// # Errors
    /// When the batch does not fit the plan, or the device fails.
    pub(crate) fn run(&mut self, gpu: &Gpu, batch: &Batch) -> Result<Run, Error> {
        let slot = self.ring.free()?;
        let told = self.fill(gpu, batch)?;
        let (recorded, submission) = submit(gpu, &self.dispatches, &told, &self.pace, |encoder| {
            self.copy_outputs(encoder, &slot);
        })?;
        gpu.check()?;
        let span = self.parts.plan.class.span;
        let sizes = Sizes { span, ..batch.sizes() };
        self.last = Some(Last { sizes, told, recorded });
        Ok(Run::new(slot, sizes, submission))
    }

    /// Runs one batch and times every dispatch; outputs are not copied to the host.
    ///
    /// # Errors
    /// As a run; and when the device has no clock.
    pub(crate) async fn profile(&self, gpu: &Gpu, batch: &Batch) -> Result<Vec<Timed>, Error> {
        let sizes = self.fill(gpu, batch)?;
        profile(gpu, &self.dispatches, &sizes).await
    }

    /// Hands the device a batch.
    fn fill(&self, gpu: &Gpu, batch: &Batch) -> Result<RunSizes, Error> {
        let parts = &self.parts;
        batch.check(&parts.plan)?;
        let sizes = RunSizes::of(batch, &parts.class);
        let rows = sizes::rows(batch);
        let first: Vec<u32> = batch.rows().rows().iter().map(|r| r.offset).collect();
        parts.write_sizes(gpu, &sizes);
        gpu.queue.write_buffer(&parts.rows, 0, bytemuck::cast_slice(&rows));
        gpu.queue.write_buffer(&parts.first, 0, bytemuck::cast_slice(&first));
        gpu.queue.write_buffer(&parts.asked, 0, bytemuck::cast_slice(batch.asked()));
        for input in &self.inputs {
            if let Some(tensor) = batch.input(&input.name) {
                self.upload(gpu, input, tensor);
            }
        }
        Ok(sizes)
    }

    /// The dispatches of the last run `times` more, without its uploads.
    ///
    /// # Errors
    /// When nothing has run yet.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn replay(&self, gpu: &Gpu, times: usize) -> Result<Run, Error> {
        let nothing = Error::Output { index: 0, why: "nothing has run yet" };
        let Last { sizes, told, .. } = self.last.ok_or(nothing)?;
        let slot = self.ring.free()?;
        let repeated = (0..times).flat_map(|_| &self.dispatches);
        let (_, submission) = submit(gpu, repeated, &told, &self.pace, |encoder| {
            self.copy_outputs(encoder, &slot);
        })?;
        Ok(Run::new(slot, sizes, submission))
    }

    fn copy_outputs(&self, encoder: &mut wgpu::CommandEncoder, slot: &[Buffer]) {
        for (output, staging) in self.outputs.iter().zip(slot) {
            output.copy(encoder, staging);
        }
    }

    fn upload(&self, gpu: &Gpu, input: &Input, tensor: &HostTensor) {
        if input.ty.dtype == DType::U32 {
            gpu.queue.write_buffer(&input.buffer, 0, tensor.bytes());
            return;
        }
        let layout = Layout::of(&input.ty, &self.parts.class);
        let values = layout.scatter(tensor.shape(), &tensor.to_f32());
        gpu.queue.write_buffer(&input.buffer, 0, bytemuck::cast_slice(&values));
    }

    /// How many of its runs may be in flight: handed to the device and not dropped.
    pub fn in_flight(&self) -> usize {
        self.ring.len()
    }

    /// Reads an output of a run.
    ///
    /// # Errors
    /// When there is no such output, or the device fails.
    pub(crate) async fn read(
        &self,
        gpu: &Gpu,
        run: &Run,
        index: usize,
    ) -> Result<HostTensor, Error> {
        let why = "there is no such output";
        let output = self.outputs.get(index).ok_or(Error::Output { index, why })?;
        let staging = run.wait(gpu, index).await?;
        let view = staging.get_mapped_range(..).map_err(|e| Error::Validation(e.to_string()))?;
        Ok(self.collect(output, &view, &run.sizes))
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
        let layout = Layout::of(&output.ty, &self.parts.class);
        HostTensor::from_f32(&shape, &layout.collect(&shape, &values))
    }

    /// Fills every buffer that a run writes with NaN.
    pub(crate) fn poison(&self, gpu: &Gpu) {
        for buffer in self.parts.written() {
            let words = vec![f32::NAN; (buffer.size() / 4) as usize];
            gpu.queue.write_buffer(buffer, 0, bytemuck::cast_slice(&words));
        }
    }

    /// What the last run recorded.
    pub fn recorded(&self) -> Option<Recorded> {
        self.last.map(|last| last.recorded)
    }

    /// Bytes of all its buffers, as planned before they were made.
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// The plan that was loaded.
    pub fn plan(&self) -> &Plan {
        &self.parts.plan
    }
}

impl Output {
    fn copy(&self, encoder: &mut wgpu::CommandEncoder, staging: &Buffer) {
        let mut at = 0;
        for part in &self.parts {
            encoder.copy_buffer_to_buffer(&part.buffer, part.offset, staging, at, part.bytes);
            at += part.bytes;
        }
    }
}

/// Outputs, and where the host reads them.
fn outputs(gpu: &Gpu, parts: &Parts) -> Result<(Vec<Output>, Ring), Error> {
    let graph = &parts.plan.graph;
    let (mut outputs, mut sizes) = (Vec::new(), Vec::new());
    for (name, id) in graph.outputs() {
        let parts = parts.parts(*id)?;
        sizes.push((name.as_str(), parts.iter().map(|p| p.bytes).sum()));
        outputs.push(Output { ty: graph.node(*id).ty.clone(), parts });
    }
    Ok((outputs, Ring::new(gpu, &sizes)))
}

fn inputs(parts: &Parts) -> Vec<Input> {
    let graph = &parts.plan.graph;
    let all = graph.iter().filter(|(_, n)| n.op == Op::Input);
    all.filter_map(|(id, n)| {
        let buffer = parts.input(id)?.clone();
        Some(Input { name: n.name.clone(), ty: n.ty.clone(), buffer })
    })
    .collect()
}
