//! How long each dispatch takes, by the device's own clock.

use crate::{
    Error, buffer::Buffer, gpu::Gpu, readback::Mapping, sizes::RunSizes, submit::Dispatch,
};

/// The time of one dispatch.
#[derive(Debug, Clone, PartialEq)]
pub struct Timed {
    /// Kernel and node.
    pub label: String,
    /// Seconds between the stamps around it.
    pub seconds: f64,
    /// Operations at the class.
    pub flops: u64,
}

/// Queries of a set, at most.
const MAX_QUERIES: usize = 4096;

/// Runs dispatches, each in a pass of its own between two stamps.
///
/// # Errors
/// When the device has no clock, or fails.
pub(crate) async fn profile(
    gpu: &Gpu,
    dispatches: &[Dispatch],
    sizes: &RunSizes,
) -> Result<Vec<Timed>, Error> {
    if !gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
        return Err(Error::NoClock);
    }
    let mut timed = Vec::new();
    for part in dispatches.chunks(MAX_QUERIES / 2) {
        timed.extend(stamped(gpu, part, sizes).await?);
    }
    Ok(timed)
}

async fn stamped(
    gpu: &Gpu,
    dispatches: &[Dispatch],
    sizes: &RunSizes,
) -> Result<Vec<Timed>, Error> {
    let count = 2 * dispatches.len() as u32;
    let set = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
        label: Some("profile"),
        ty: wgpu::QueryType::Timestamp,
        count,
    });
    for (i, d) in (0..).zip(dispatches) {
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        let stamps = wgpu::ComputePassTimestampWrites {
            query_set: &set,
            beginning_of_pass_write_index: Some(2 * i),
            end_of_pass_write_index: Some(2 * i + 1),
        };
        let desc = wgpu::ComputePassDescriptor { timestamp_writes: Some(stamps), label: None };
        d.record(&mut encoder.begin_compute_pass(&desc), sizes)?;
        gpu.queue.submit([encoder.finish()]);
    }
    let stamps = read(gpu, &set, count).await?;
    let period = f64::from(gpu.queue.get_timestamp_period()) * 1e-9;
    let pairs = stamps.as_chunks::<2>().0.iter();
    Ok(pairs
        .zip(dispatches)
        .map(|(s, d)| Timed {
            label: d.label.clone(),
            seconds: s[1].saturating_sub(s[0]) as f64 * period,
            flops: d.flops,
        })
        .collect())
}

async fn read(gpu: &Gpu, set: &wgpu::QuerySet, count: u32) -> Result<Vec<u64>, Error> {
    use wgpu::BufferUsages as Usage;
    let bytes = u64::from(count) * 8;
    let resolved: Buffer = gpu.buffer("stamps", bytes, Usage::QUERY_RESOLVE | Usage::COPY_SRC);
    let staging = gpu.buffer("stamps", bytes, Usage::MAP_READ | Usage::COPY_DST);
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    encoder.resolve_query_set(set, 0..count, &resolved, 0);
    encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, bytes);
    gpu.queue.submit([encoder.finish()]);
    Mapping::begin(&staging, wgpu::MapMode::Read).wait(gpu, None).await?;
    match staging.get_mapped_range(..bytes) {
        Ok(view) => Ok(view.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b)).collect()),
        Err(e) => Err(Error::Validation(e.to_string())),
    }
}
