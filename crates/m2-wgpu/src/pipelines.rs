//! Compute pipelines: compiled once for each kernel and its constants, on all threads at load.

use std::{collections::HashMap, sync::Mutex};

use crate::{
    Error,
    gpu::{Gpu, lock},
    launch::{Bind, Launch, Source},
};

/// A pipeline and the layout of its one bind group.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// What tells pipelines apart: module, constants (as bits), which bindings are written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    source: Source,
    constants: Vec<(&'static str, u64)>,
    written: Vec<bool>,
}

impl Key {
    fn of(launch: &Launch) -> Self {
        Key {
            source: launch.source.clone(),
            constants: launch.constants.iter().map(|(n, v)| (*n, v.to_bits())).collect(),
            written: launch.bindings.iter().map(|b| matches!(b, Bind::Write(_))).collect(),
        }
    }
}

/// The pipelines of a device, and the driver's own cache of compiled code where there is one.
#[derive(Debug, Default)]
pub(crate) struct Pipelines {
    known: Mutex<HashMap<Key, Pipeline>>,
    cache: Option<wgpu::PipelineCache>,
}

/// Tells somebody how many of how many pipelines are compiled.
pub type Progress = dyn Fn(usize, usize) + Send + Sync;

impl Pipelines {
    /// Starts with what an earlier process compiled, where the driver keeps such data.
    pub fn new(device: &wgpu::Device, data: Option<&[u8]>) -> Self {
        let keeps = device.features().contains(wgpu::Features::PIPELINE_CACHE);
        let cache = keeps.then(|| {
            let desc = wgpu::PipelineCacheDescriptor { label: Some("m2"), data, fallback: true };
            // SAFETY: the caller vouches that `data` came from `Pipelines::data` unchanged; wgpu
            // compares its header with this device and driver, and falls back to an empty cache.
            unsafe { device.create_pipeline_cache(&desc) }
        });
        Pipelines { known: Mutex::default(), cache }
    }

    /// What the driver wants to find again in the next process.
    pub fn data(&self) -> Option<Vec<u8>> {
        self.cache.as_ref().and_then(wgpu::PipelineCache::get_data)
    }
}

impl Gpu {
    /// The pipeline of each dispatch; those that are not known yet are compiled side by side.
    ///
    /// # Errors
    /// When a kernel does not compile.
    pub async fn pipelines(
        &self,
        launches: &[&Launch],
        progress: Option<&Progress>,
    ) -> Result<Vec<Pipeline>, Error> {
        let keys: Vec<Key> = launches.iter().map(|l| Key::of(l)).collect();
        let mut missing: HashMap<&Key, &Launch> = HashMap::new();
        {
            let known = lock(&self.pipelines.known);
            let unknown = keys.iter().zip(launches).filter(|(k, _)| !known.contains_key(*k));
            missing.extend(unknown.map(|(k, l)| (k, *l)));
        }
        let missing: Vec<_> = missing.into_iter().collect();
        self.compile_all(&missing, progress).await?;
        let known = lock(&self.pipelines.known);
        Ok(keys.iter().filter_map(|k| known.get(k).cloned()).collect())
    }

    #[cfg(not(target_arch = "wasm32"))]
    async fn compile_all(
        &self,
        missing: &[(&Key, &Launch)],
        progress: Option<&Progress>,
    ) -> Result<(), Error> {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || -> Result<(), Error> {
            while let Some((key, launch)) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                // Natively the future is ready at once.
                let pipeline = pollster::block_on(self.compile(launch, key))?;
                lock(&self.pipelines.known).insert((*key).clone(), pipeline);
                let count = done.fetch_add(1, Ordering::Relaxed) + 1;
                progress.inspect(|p| p(count, missing.len()));
            }
            Ok(())
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            let helpers: Vec<_> =
                (1..threads.min(missing.len())).map(|_| scope.spawn(work)).collect();
            let mut result = work();
            for helper in helpers {
                let theirs = helper.join().unwrap_or_else(|p| std::panic::resume_unwind(p));
                result = result.and(theirs);
            }
            result
        })
    }

    #[cfg(target_arch = "wasm32")]
    async fn compile_all(
        &self,
        missing: &[(&Key, &Launch)],
        progress: Option<&Progress>,
    ) -> Result<(), Error> {
        for (i, (key, launch)) in missing.iter().enumerate() {
            let pipeline = self.compile(launch, key).await?;
            lock(&self.pipelines.known).insert((*key).clone(), pipeline);
            progress.inspect(|p| p(i + 1, missing.len()));
        }
        Ok(())
    }

    async fn compile(&self, launch: &Launch, key: &Key) -> Result<Pipeline, Error> {
        self.counters.pipelines.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let text = key.source.text();
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let desc = wgpu::ShaderModuleDescriptor {
            label: Some(&launch.label),
            source: wgpu::ShaderSource::Wgsl(text.as_ref().into()),
        };
        // SAFETY: every kernel stays inside its bindings for all sizes that a checked batch of the
        // plan's class can have, and every loop ends; the tests run them on poisoned buffers.
        let module = unsafe {
            self.device.create_shader_module_trusted(desc, wgpu::ShaderRuntimeChecks::unchecked())
        };
        let layout = self.layout(&launch.label, &key.written);
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
            cache: self.pipelines.cache.as_ref(),
        });
        if let Some(error) = scope.pop().await {
            // A lost device refuses everything; that it is lost says more.
            self.check()?;
            // Natively the error is the message and its line; browsers keep them apart.
            let mut message = error.to_string();
            for m in module.get_compilation_info().await.messages {
                let line = m.location.map_or(0, |l| l.line_number);
                let text = text.lines().nth((line as usize).saturating_sub(1)).unwrap_or("");
                let what = m.message.trim().lines().next().unwrap_or_default();
                message.push_str(&format!("\nWGSL line {line}: {what}\n  {text}"));
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Options,
        launch::{Grid, Source},
    };

    #[test]
    fn a_kernel_that_does_not_compile_is_shown_with_its_line() {
        let Ok(opened) = pollster::block_on(crate::adapter::open(&Options::default(), &|_| None))
        else {
            println!("skipped: no adapter");
            return;
        };
        let text = "@compute @workgroup_size(1)\nfn main() {\n  let x: u32 = 1.5;\n}\n";
        let launch = Launch {
            label: "broken".into(),
            node: m2_ir::NodeId(0),
            source: Source::Text(text.into()),
            constants: Vec::new(),
            bindings: Vec::new(),
            grid: Grid::flat(1, 1),
            window: (0, 0),
            flops: 0,
        };
        let error = pollster::block_on(opened.gpu.pipelines(&[&launch], None)).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("broken") && message.contains("WGSL line 3"), "{message}");
        assert!(message.contains("let x: u32 = 1.5;"), "{message}");
    }
}
