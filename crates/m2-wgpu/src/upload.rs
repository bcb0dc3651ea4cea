//! Weights on their way to the device.

use crate::{Error, buffer::Buffer, gpu::Gpu, readback::Mapping};

/// Bytes that are staged at a time.
const STAGED: u64 = 16 << 20;

/// Copies large tensors to the device through one staging buffer, so that loading a model takes no
/// more of the host's memory than that. Browsers stage by themselves: a page cannot wait for a
/// buffer to be free again.
#[derive(Debug, Default)]
pub(crate) struct Uploader {
    /// Mapped for writing between two calls.
    staging: Option<Buffer>,
}

impl Uploader {
    /// Fills the beginning of a buffer.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn write(&mut self, gpu: &Gpu, to: &Buffer, bytes: &[u8]) -> Result<(), Error> {
        if cfg!(target_arch = "wasm32") || (bytes.len() as u64) < STAGED / 16 {
            gpu.queue.write_buffer(to, 0, bytes);
            return Ok(());
        }
        for (i, part) in bytes.chunks(STAGED as usize).enumerate() {
            self.part(gpu, to, i as u64 * STAGED, part).await?;
        }
        Ok(())
    }

    async fn part(
        &mut self,
        gpu: &Gpu,
        to: &Buffer,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Error> {
        use wgpu::BufferUsages as Usage;
        let staging = match self.staging.take() {
            Some(buffer) => buffer,
            None => gpu.buffer("staging", STAGED, Usage::MAP_WRITE | Usage::COPY_SRC),
        };
        Mapping::begin(&staging, wgpu::MapMode::Write).wait(gpu, None).await?;
        match staging.get_mapped_range_mut(..bytes.len() as u64) {
            Ok(mut view) => view.copy_from_slice(bytes),
            Err(e) => return Err(Error::Validation(e.to_string())),
        }
        staging.unmap();
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&staging, 0, to, offset, bytes.len() as u64);
        gpu.queue.submit([encoder.finish()]);
        self.staging = Some(staging);
        gpu.check()
    }
}
