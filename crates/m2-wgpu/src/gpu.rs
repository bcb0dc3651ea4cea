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
        let polled = self.device.poll(wgpu::PollType::wait_indefinitely());
        self.check()?;
        polled.map(drop).map_err(|e| Error::DeviceLost(e.to_string()))
    }

    /// Waits until a buffer is mapped.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn map(&self, buffer: &wgpu::Buffer, mode: wgpu::MapMode) -> Result<(), Error> {
        type Answer = (Option<Result<(), wgpu::BufferAsyncError>>, Option<std::task::Waker>);
        let shared: Arc<Mutex<Answer>> = Arc::default();
        let answer = shared.clone();
        buffer.map_async(mode, .., move |result| {
            let mut answer = lock(&answer);
            answer.0 = Some(result);
            if let Some(waker) = answer.1.take() {
                waker.wake();
            }
        });
        // A browser answers by itself; natively somebody has to wait for the device.
        #[cfg(not(target_arch = "wasm32"))]
        if let Err(e) = self.device.poll(wgpu::PollType::wait_indefinitely()) {
            self.check()?;
            return Err(Error::DeviceLost(e.to_string()));
        }
        let result = std::future::poll_fn(|task| {
            let mut answer = lock(&shared);
            match answer.0.take() {
                Some(result) => std::task::Poll::Ready(result),
                None => {
                    answer.1 = Some(task.waker().clone());
                    std::task::Poll::Pending
                }
            }
        })
        .await;
        self.check()?;
        result.map_err(|e| Error::DeviceLost(e.to_string()))
    }
}
