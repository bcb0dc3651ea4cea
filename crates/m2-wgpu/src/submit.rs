//! Dispatches: made once, recorded again in every run, submitted in portions that no watchdog minds.

use std::iter::Peekable;

use crate::{
    Error, Weights,
    gpu::Gpu,
    launch::{Grid, Launch},
    parts::{Part, Parts},
    pipelines::{Pipeline, Progress},
    settings::Pace,
    sizes::RunSizes,
};

/// A dispatch with every object that it needs.
pub(crate) struct Dispatch {
    pub label: String,
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    grid: Grid,
    pub flops: u64,
    /// Bytes of the parts along tokens that it is given, each once.
    activation_bytes: u64,
}

impl Dispatch {
    /// Records it; whether the true sizes leave any work.
    ///
    /// # Errors
    /// When its grid is too large for any device.
    pub fn record(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        sizes: &RunSizes,
    ) -> Result<bool, Error> {
        let Some((x, y)) = self.grid.of(sizes)? else { return Ok(false) };
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(x, y, 1);
        Ok(true)
    }
}

/// What was recorded: counted where the commands are made, not where they are planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recorded {
    /// Dispatches with work.
    pub dispatches: u64,
    /// Bytes of activations that dispatches were given, each part once a dispatch.
    pub activation_bytes: u64,
    /// Submissions to the queue.
    pub submissions: u64,
}

/// Pipelines and bind groups of dispatches.
///
/// # Errors
/// When a kernel does not compile, or a value exceeds a limit.
pub(crate) async fn prepare(
    gpu: &Gpu,
    parts: &Parts,
    weights: &mut Weights,
    launches: &[Launch],
    progress: Option<&Progress>,
) -> Result<Vec<Dispatch>, Error> {
    let all: Vec<&Launch> = launches.iter().collect();
    let pipelines = gpu.pipelines(&all, progress).await?;
    let mut dispatches = Vec::with_capacity(launches.len());
    for (launch, pipeline) in launches.iter().zip(pipelines) {
        dispatches.push(dispatch(gpu, parts, weights, launch, pipeline)?);
        gpu.check()?;
    }
    Ok(dispatches)
}

fn dispatch(
    gpu: &Gpu,
    parts: &Parts,
    weights: &mut Weights,
    launch: &Launch,
    pipeline: Pipeline,
) -> Result<Dispatch, Error> {
    let slots = launch.bindings.iter().map(|bind| bind.slot());
    let given =
        slots.map(|slot| parts.slot(gpu, weights, slot)).collect::<Result<Vec<Part>, _>>()?;
    let sizes = parts.block(launch.window);
    let bindings: Vec<_> = std::iter::once(&sizes).chain(&given).map(Part::binding).collect();
    Ok(Dispatch {
        label: launch.label.clone(),
        bind_group: gpu.bind_group(&launch.label, &pipeline.layout, &bindings),
        pipeline: pipeline.pipeline,
        grid: launch.grid,
        flops: launch.flops,
        activation_bytes: distinct(&given),
    })
}

/// Bytes along tokens, a part that is given twice counted once.
fn distinct(given: &[Part]) -> u64 {
    let same = |a: &Part, b: &Part| *a.buffer == *b.buffer && a.offset == b.offset;
    let fresh = |i: usize| !given[..i].iter().any(|p| same(p, &given[i]));
    let counted = (0..given.len()).filter(|&i| given[i].activation && fresh(i));
    counted.map(|i| given[i].bytes).sum()
}

/// Records and submits dispatches, the true sizes deciding their grids; `last` is recorded after
/// them, in the last submission.
///
/// # Errors
/// When a grid is too large for any device.
pub(crate) fn submit<'a>(
    gpu: &Gpu,
    dispatches: impl IntoIterator<Item = &'a Dispatch>,
    sizes: &RunSizes,
    pace: &Pace,
    last: impl FnOnce(&mut wgpu::CommandEncoder),
) -> Result<(Recorded, wgpu::SubmissionIndex), Error> {
    let mut recorded = Recorded::default();
    let most = (pace.flops_per_second * pace.seconds) as u64;
    let mut rest = dispatches.into_iter().peekable();
    loop {
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        portion(gpu, &mut encoder, &mut rest, sizes, most, &mut recorded)?;
        recorded.submissions += 1;
        if rest.peek().is_none() {
            last(&mut encoder);
            return Ok((recorded, gpu.queue.submit([encoder.finish()])));
        }
        gpu.queue.submit([encoder.finish()]);
    }
}

/// Records dispatches into one pass until they are enough for a submission.
fn portion<'a>(
    gpu: &Gpu,
    encoder: &mut wgpu::CommandEncoder,
    dispatches: &mut Peekable<impl Iterator<Item = &'a Dispatch>>,
    sizes: &RunSizes,
    most: u64,
    recorded: &mut Recorded,
) -> Result<(), Error> {
    let mut pass = encoder.begin_compute_pass(&Default::default());
    let (mut flops, mut first) = (0u64, true);
    // One that is too long by itself goes alone.
    while let Some(d) = dispatches.next_if(|d| first || flops.saturating_add(d.flops) <= most) {
        first = false;
        if d.record(&mut pass, sizes)? {
            gpu.countdown();
            flops = flops.saturating_add(d.flops);
            recorded.dispatches += 1;
            recorded.activation_bytes += d.activation_bytes;
        }
    }
    Ok(())
}
