//! Buffers of the device, counted while they live.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::gpu::Gpu;

/// A buffer that takes its bytes off the device's count when its last owner drops it.
#[derive(Debug, Clone)]
pub(crate) struct Buffer {
    raw: wgpu::Buffer,
    _held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    bytes: u64,
    live: Arc<AtomicU64>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.live.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Deref for Buffer {
    type Target = wgpu::Buffer;

    fn deref(&self) -> &wgpu::Buffer {
        &self.raw
    }
}

/// Bytes that a buffer for so many bytes takes: whole vectors of four floats, and never none.
pub(crate) fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(16).max(16)
}

impl Gpu {
    /// A buffer of at least `bytes` bytes.
    pub fn buffer(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> Buffer {
        let size = padded(bytes);
        self.counters.buffers.fetch_add(1, Ordering::Relaxed);
        let live = self.live.fetch_add(size, Ordering::Relaxed) + size;
        self.counters.peak.fetch_max(live, Ordering::Relaxed);
        let raw = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        });
        Buffer { raw, _held: Arc::new(Held { bytes: size, live: self.live.clone() }) }
    }

    /// A buffer for values: read and written by kernels, uploaded to and read back.
    pub fn storage(&self, label: &str, bytes: u64) -> Buffer {
        use wgpu::BufferUsages as Usage;
        self.buffer(label, bytes, Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST)
    }

    /// The most bytes of buffers that have lived at once.
    pub fn peak_bytes(&self) -> u64 {
        self.counters.peak.load(Ordering::Relaxed)
    }

    /// Bytes of all buffers that live now.
    pub fn live_bytes(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }
}
