//! The device with its error log and its count of objects.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use crate::{Error, pipelines::Pipelines};

/// How many objects of the device have been made since it was opened.
///
/// A run makes none: two counts around a run are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Created {
    /// Buffers.
    pub buffers: u64,
    /// Bind groups.
    pub bind_groups: u64,
    /// Compute pipelines.
    pub pipelines: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub buffers: AtomicU64,
    pub bind_groups: AtomicU64,
    pub pipelines: AtomicU64,
    /// The most bytes of buffers alive at once.
    pub peak: AtomicU64,
}

/// What the device reported outside of any call.
#[derive(Debug, Default)]
struct Faults {
    lost: Option<String>,
    error: Option<Error>,
}

/// Destroys a device after so many dispatches, for tests.
#[derive(Debug)]
pub(crate) struct Countdown(AtomicU64);

impl Default for Countdown {
    fn default() -> Self {
        Countdown(AtomicU64::new(u64::MAX))
    }
}

impl Countdown {
    /// Starts counting.
    pub fn start(&self, dispatches: u64) {
        self.0.store(dispatches, Ordering::Relaxed);
    }
}

/// An opened device.
#[derive(Debug)]
pub(crate) struct Gpu {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub counters: Counters,
    /// Bytes of buffers that live.
    pub live: Arc<AtomicU64>,
    pub pipelines: Pipelines,
    /// For tests: destroys the device in the midst of a run.
    pub countdown: Countdown,
    faults: Arc<Mutex<Faults>>,
}

/// A lock that a panic elsewhere does not take away.
pub(crate) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

fn typed(error: wgpu::Error) -> Error {
    match error {
        wgpu::Error::OutOfMemory { source } => Error::OutOfMemory(source.to_string()),
        wgpu::Error::Validation { description, .. } => Error::Validation(description),
        wgpu::Error::Internal { description, .. } => Error::Validation(description),
    }
}

impl Gpu {
    /// Wraps a device and listens to what goes wrong on it.
    pub fn new(device: wgpu::Device, queue: wgpu::Queue, compiled: Option<&[u8]>) -> Self {
        let faults: Arc<Mutex<Faults>> = Arc::default();
        let log = faults.clone();
        device.on_uncaptured_error(Arc::new(move |e| {
            lock(&log).error.get_or_insert(typed(e));
        }));
        let log = faults.clone();
        device.set_device_lost_callback(move |_, message| {
            lock(&log).lost.get_or_insert(message);
        });
        let pipelines = Pipelines::new(&device, compiled);
        let (counters, live, countdown) = Default::default();
        Gpu { device, queue, counters, live, pipelines, countdown, faults }
    }

    /// Objects made so far.
    pub fn created(&self) -> Created {
        let read = |c: &AtomicU64| c.load(Ordering::Relaxed);
        Created {
            buffers: read(&self.counters.buffers),
            bind_groups: read(&self.counters.bind_groups),
            pipelines: read(&self.counters.pipelines),
        }
    }

    /// What went wrong since the last call.
    ///
    /// # Errors
    /// The first fault; a lost device stays lost.
    pub fn check(&self) -> Result<(), Error> {
        let mut faults = lock(&self.faults);
        let error = faults.error.take();
        match (&faults.lost, error) {
            (Some(message), _) => Err(Error::DeviceLost(message.clone())),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(()),
        }
    }

    /// Counts a dispatch; the last one of a countdown finds the device destroyed.
    pub fn countdown(&self) {
        let left = self.countdown.0.load(Ordering::Relaxed);
        if left == 0 {
            self.device.destroy();
        }
        if left != u64::MAX {
            self.countdown.0.store(left.saturating_sub(1), Ordering::Relaxed);
        }
    }

    /// A bind group of a pipeline, its buffers at bindings 0, 1, ….
    pub fn bind_group(
        &self,
        label: &str,
        layout: &wgpu::BindGroupLayout,
        buffers: &[wgpu::BufferBinding<'_>],
    ) -> wgpu::BindGroup {
        self.counters.bind_groups.fetch_add(1, Ordering::Relaxed);
        let entries: Vec<_> = (0..)
            .zip(buffers)
            .map(|(binding, b)| wgpu::BindGroupEntry {
                binding,
                resource: wgpu::BindingResource::Buffer(b.clone()),
            })
            .collect();
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(label),
            layout,
            entries: &entries,
        })
    }

    /// Waits until all submitted work is done; a browser's page cannot wait.
    ///
    /// # Errors
    /// When the device fails.
    pub fn wait(&self) -> Result<(), Error> {
        self.poll(wgpu::PollType::wait_indefinitely())?;
        self.check()
    }

    /// Waits as told.
    ///
    /// # Errors
    /// When the device fails.
    pub fn poll(&self, until: wgpu::PollType) -> Result<(), Error> {
        self.device.poll(until).map(drop).map_err(|e| self.failed(&e))
    }

    /// What is behind an error of a wait: a lost device says that it is when it has nothing to do.
    pub fn failed(&self, error: &dyn std::error::Error) -> Error {
        let _ = self.device.poll(wgpu::PollType::wait_indefinitely());
        self.check().err().unwrap_or_else(|| Error::DeviceLost(error.to_string()))
    }
}
