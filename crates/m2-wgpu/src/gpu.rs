//! The device with its pipeline cache, its error log and its count of objects.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    Error,
    launch::{Bind, Launch},
};

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
struct Counters {
    buffers: AtomicU64,
    bind_groups: AtomicU64,
    pipelines: AtomicU64,
}

/// What the device reported outside of any call.
#[derive(Debug, Default)]
struct Faults {
    lost: Option<String>,
    error: Option<Error>,
}

/// A pipeline and the layout of its one bind group.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// What tells pipelines apart: text, constants (as bits), which bindings are written.
type Key = (String, Vec<(&'static str, u64)>, Vec<bool>);

/// An opened device.
#[derive(Debug)]
pub(crate) struct Gpu {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    counters: Counters,
    faults: Arc<Mutex<Faults>>,
    pipelines: Mutex<HashMap<Key, Pipeline>>,
}

/// A lock that a panic elsewhere does not take away.
fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
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
    pub fn new(device: wgpu::Device, queue: wgpu::Queue) -> Self {
        let faults: Arc<Mutex<Faults>> = Arc::default();
        let log = faults.clone();
        device.on_uncaptured_error(Arc::new(move |e| {
            lock(&log).error.get_or_insert(typed(e));
        }));
        let log = faults.clone();
        device.set_device_lost_callback(move |_, message| {
            lock(&log).lost.get_or_insert(message);
        });
        let (counters, pipelines) = Default::default();
        Gpu { device, queue, counters, faults, pipelines }
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

    /// A buffer of at least `bytes` bytes that kernels and copies may use.
    pub fn buffer(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        self.counters.buffers.fetch_add(1, Ordering::Relaxed);
        let size = bytes.next_multiple_of(16).max(16);
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        })
    }

    /// A buffer for values: read and written by kernels, uploaded to and read back.
    pub fn storage(&self, label: &str, bytes: u64) -> wgpu::Buffer {
        use wgpu::BufferUsages as Usage;
        self.buffer(label, bytes, Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST)
    }

    /// A buffer for values with contents.
    pub fn upload(&self, label: &str, values: &[f32]) -> wgpu::Buffer {
        let buffer = self.storage(label, size_of_val(values) as u64);
        self.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(values));
        buffer
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

    /// The pipeline of a dispatch, made on its first use.
    ///
    /// # Errors
    /// When the kernel does not compile.
    pub async fn pipeline(&self, launch: &Launch) -> Result<Pipeline, Error> {
        let text = launch.source.text();
        let written: Vec<bool> =
            launch.bindings.iter().map(|b| matches!(b, Bind::Write(_))).collect();
        let constants = launch.constants.iter().map(|(n, v)| (*n, v.to_bits())).collect();
        let key: Key = (text.into_owned(), constants, written);
        if let Some(known) = lock(&self.pipelines).get(&key) {
            return Ok(known.clone());
        }
        let pipeline = self.compile(launch, &key).await?;
        lock(&self.pipelines).insert(key, pipeline.clone());
        Ok(pipeline)
    }

    async fn compile(&self, launch: &Launch, key: &Key) -> Result<Pipeline, Error> {
        self.counters.pipelines.fetch_add(1, Ordering::Relaxed);
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let desc = wgpu::ShaderModuleDescriptor {
            label: Some(&launch.label),
            source: wgpu::ShaderSource::Wgsl(key.0.as_str().into()),
        };
        // SAFETY: every kernel stays inside its bindings for all sizes that a checked batch of the
        // plan's class can have, and every loop ends; the tests run them on poisoned buffers.
        let module = unsafe {
            self.device.create_shader_module_trusted(desc, wgpu::ShaderRuntimeChecks::unchecked())
        };
        let layout = self.layout(&launch.label, &key.2);
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&launch.label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&launch.label),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &launch.constants,
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        if let Some(error) = scope.pop().await {
            let mut message = error.to_string();
            for m in module.get_compilation_info().await.messages {
                let line = m.location.map_or(0, |l| l.line_number);
                message.push_str(&format!("\nWGSL line {line}: {}", m.message));
            }
            let kernel = format!("{} {:?}", launch.label, launch.constants);
            return Err(Error::Shader { kernel, message });
        }
        Ok(Pipeline { pipeline, layout })
    }

    fn layout(&self, label: &str, written: &[bool]) -> wgpu::BindGroupLayout {
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        };
        let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform)];
        entries.extend(
            (1..)
                .zip(written)
                .map(|(i, w)| entry(i, wgpu::BufferBindingType::Storage { read_only: !w })),
        );
        self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(label),
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

    /// Waits until a buffer is mapped for reading.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn map(&self, buffer: &wgpu::Buffer) -> Result<(), Error> {
        type Answer = (Option<Result<(), wgpu::BufferAsyncError>>, Option<std::task::Waker>);
        let shared: Arc<Mutex<Answer>> = Arc::default();
        let answer = shared.clone();
        buffer.map_async(wgpu::MapMode::Read, .., move |result| {
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
