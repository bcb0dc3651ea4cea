//! Timing without uploads, and the ceiling that kernels are measured against.

use std::time::{Duration, Instant};

use m2_ir::NodeId;

use crate::{
    Error, Program, Run, WgpuBackend,
    gpu::Gpu,
    launch::{Bind, Grid, Launch, Slot, Source},
    lowering::size,
    sizes::RunSizes,
};

/// Invocations of the kernel of multiply-adds.
const INVOCATIONS: usize = 1 << 16;
/// Operations of an invocation and step: eight vec4 sums.
const OPERATIONS: usize = 8 * 4 * 2;

impl WgpuBackend {
    /// Submits the dispatches of the program's last run `times` more, on what it uploaded; waiting
    /// for them is the caller's affair.
    ///
    /// # Errors
    /// When nothing has run yet, too many runs are in flight, or the device fails.
    pub fn replay(&self, program: &Program, times: usize) -> Result<Run, Error> {
        self.gpu.check()?;
        program.replay(&self.gpu, times)
    }

    /// The best rate of multiply-adds in registers (two operations each) in GFLOP/s, over about
    /// `time` of measuring.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn multiply_adds(&self, time: Duration) -> Result<f64, Error> {
        let mut steps = 16;
        let mut best = 0.0f64;
        let end = Instant::now() + time;
        let values = self.gpu.storage("multiply-adds", INVOCATIONS as u64 * 4);
        while best == 0.0 || Instant::now() < end {
            let seconds = once(&self.gpu, &values, steps).await?;
            if seconds < time.as_secs_f64() / 8.0 && steps < 1 << 20 {
                // Too short to trust: the start would show.
                steps *= 2;
                continue;
            }
            best = best.max((INVOCATIONS * OPERATIONS * steps) as f64 / seconds * 1e-9);
        }
        Ok(best)
    }
}

/// Seconds of one dispatch of so many steps.
async fn once(gpu: &Gpu, values: &wgpu::Buffer, steps: usize) -> Result<f64, Error> {
    let launch = Launch {
        label: shaders::BENCH_FMA.name.into(),
        source: Source::Kernel(shaders::BENCH_FMA, Vec::new()),
        constants: vec![size("STEPS", steps)],
        bindings: vec![Bind::Write(Slot::Scratch(0, INVOCATIONS))],
        grid: Grid::flat(INVOCATIONS, 64),
        node: NodeId(0),
        window: (0, 0),
        flops: 0,
    };
    let pipeline = gpu.pipelines(&[&launch], None).await?.remove(0);
    let sizes = RunSizes::default();
    let uniform = gpu.buffer("sizes", size_of::<RunSizes>() as u64, wgpu::BufferUsages::UNIFORM);
    let whole = |buffer| wgpu::BufferBinding { buffer, offset: 0, size: None };
    let group = gpu.bind_group(&launch.label, &pipeline.layout, &[whole(&uniform), whole(values)]);
    let mut best = f64::INFINITY;
    // The first one compiles.
    for _ in 0..2 {
        let start = Instant::now();
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            if let Some((x, y)) = launch.grid.of(&sizes)? {
                pass.set_pipeline(&pipeline.pipeline);
                pass.set_bind_group(0, &group, &[]);
                pass.dispatch_workgroups(x, y, 1);
            }
        }
        gpu.queue.submit([encoder.finish()]);
        gpu.wait()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}
