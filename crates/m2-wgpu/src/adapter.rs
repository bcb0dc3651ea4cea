//! Which GPU: listing, choosing, opening.

use std::{convert::Infallible, fmt, str::FromStr};

use crate::{Error, ProductVariant, Storage, gpu::Gpu};

/// Which adapter to open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Choice {
    /// The best there is: discrete before integrated before software.
    #[default]
    Best,
    /// By its place in [`adapters`].
    Index(usize),
    /// The first whose name contains this, ignoring case.
    Name(String),
}

impl FromStr for Choice {
    type Err = Infallible;

    /// `gpu` or nothing: the best; `gpu:2` or `2`: by place; anything else: by name.
    fn from_str(s: &str) -> Result<Self, Infallible> {
        let s = s.strip_prefix("gpu:").unwrap_or(s);
        Ok(match (s, s.parse()) {
            ("" | "gpu" | "best", _) => Choice::Best,
            (_, Ok(index)) => Choice::Index(index),
            _ => Choice::Name(s.into()),
        })
    }
}

/// How to open a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Which adapter.
    pub adapter: Choice,
    /// Which of its limits to take.
    pub limits: Limits,
    /// Longest row that is convolved by one transform in workgroup memory, longer ones in passes
    /// over memory; none: what fits it.
    pub longest_transform: Option<usize>,
    /// Bytes of each kind of intermediate values that long convolutions keep at a time, channel
    /// group by channel group; none: 32 MiB, which stays in the caches of large GPUs.
    pub transform_scratch: Option<u64>,
    /// Memory that a program may take, in bytes; none: as much as the device gives.
    pub max_memory: Option<u64>,
    /// How matrix products are computed; none: as suits the adapter.
    pub products: Option<ProductVariant>,
    /// Into how many slices the sums of products are cut; none: as many as fill a GPU, and one on
    /// software adapters. The slices are added in a fixed order.
    pub slices: Option<usize>,
    /// Whether layer norms between products run inside them, where those go through workgroup memory:
    /// a dispatch and a pass over the tokens less, for a few per cent more arithmetic.
    pub norms_in_products: bool,
    /// How weights of products are stored.
    pub weights: Storage,
}

/// How much of what an adapter grants a device takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Limits {
    /// All of it.
    #[default]
    Adapter,
    /// WebGPU's default limits, which every adapter grants.
    WebGpu,
    /// No more than this of any.
    AtMost {
        /// Bytes of a buffer that one dispatch can see.
        binding: u64,
        /// Bytes of a buffer.
        buffer: u64,
        /// Bytes of workgroup memory.
        workgroup_memory: u32,
    },
}

impl Limits {
    /// What is asked of an adapter that grants `all`.
    pub(crate) fn of(&self, all: wgpu::Limits) -> wgpu::Limits {
        match *self {
            Limits::Adapter => all,
            Limits::WebGpu => wgpu::Limits::default(),
            Limits::AtMost { binding, buffer, workgroup_memory } => wgpu::Limits {
                max_storage_buffer_binding_size: all.max_storage_buffer_binding_size.min(binding),
                max_buffer_size: all.max_buffer_size.min(buffer),
                max_compute_workgroup_storage_size: all
                    .max_compute_workgroup_storage_size
                    .min(workgroup_memory),
                ..all
            },
        }
    }
}

/// What kind of processor an adapter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A graphics card of its own.
    Discrete,
    /// Part of the processor.
    Integrated,
    /// A share of a card in a virtual machine.
    Virtual,
    /// The driver does not say.
    Other,
    /// A program on the CPU (lavapipe, SwiftShader, WARP).
    Software,
}

/// One adapter of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// Name of the device; browsers hide it.
    pub name: String,
    /// API through which it is reached: vulkan, metal, dx12, webgpu.
    pub api: String,
    /// Name and version of the driver.
    pub driver: String,
    /// What kind of processor it is.
    pub class: Class,
    /// A name for files about this adapter: equal for equal devices.
    pub key: String,
}

impl Adapter {
    pub(crate) fn of(info: &wgpu::AdapterInfo) -> Self {
        let class = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => Class::Discrete,
            wgpu::DeviceType::IntegratedGpu => Class::Integrated,
            wgpu::DeviceType::VirtualGpu => Class::Virtual,
            wgpu::DeviceType::Cpu => Class::Software,
            wgpu::DeviceType::Other => Class::Other,
        };
        Adapter {
            name: info.name.clone(),
            api: info.backend.to_str().into(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().into(),
            class,
            key: format!("{}-{:x}-{:x}", info.backend.to_str(), info.vendor, info.device),
        }
    }

    /// Name and API: what a device is called.
    pub fn short(&self) -> String {
        format!("{} ({})", self.called(), self.api)
    }

    fn called(&self) -> &str {
        if self.name.is_empty() { "unnamed adapter" } else { &self.name }
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self.class {
            Class::Discrete => "discrete",
            Class::Integrated => "integrated",
            Class::Virtual => "virtual",
            Class::Other => "unknown kind",
            Class::Software => "software",
        };
        write!(f, "{} ({}, {class}", self.called(), self.api)?;
        if !self.driver.is_empty() {
            write!(f, ", {}", self.driver)?;
        }
        f.write_str(")")
    }
}

pub(crate) fn instance() -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle())
}

/// All adapters that M2 can use, in the order that [`Choice::Index`] counts. A browser lists none.
pub async fn adapters() -> Vec<Adapter> {
    enumerate(&instance()).await.iter().map(|a| Adapter::of(&a.get_info())).collect()
}

/// Adapters that run compute shaders with what every kernel needs.
pub(crate) async fn enumerate(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    let mut all = instance.enumerate_adapters(wgpu::Backends::all()).await;
    all.retain(|a| {
        let limits = a.limits();
        limits.max_storage_buffers_per_shader_stage >= 8
            && limits.max_compute_invocations_per_workgroup >= 256
    });
    all
}

async fn choose(instance: &wgpu::Instance, choice: &Choice) -> Result<wgpu::Adapter, Error> {
    // Browsers do not enumerate.
    if cfg!(target_arch = "wasm32") {
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        return instance.request_adapter(&options).await.map_err(|e| Error::NoAdapter {
            wanted: format!("in this browser ({e})"),
            found: Vec::new(),
        });
    }
    let mut all = enumerate(instance).await;
    let known: Vec<Adapter> = all.iter().map(|a| Adapter::of(&a.get_info())).collect();
    let at = match choice {
        Choice::Best => (0..known.len()).min_by_key(|&i| known[i].class),
        Choice::Index(i) => Some(*i).filter(|&i| i < known.len()),
        Choice::Name(name) => {
            let name = name.to_lowercase();
            known.iter().position(|a| a.name.to_lowercase().contains(&name))
        }
    };
    match at {
        Some(i) => Ok(all.swap_remove(i)),
        None => Err(Error::NoAdapter {
            wanted: match choice {
                Choice::Best => "that runs compute shaders".into(),
                Choice::Index(i) => format!("number {i}"),
                Choice::Name(name) => format!("named {name}"),
            },
            found: known.into_iter().map(|a| a.name).collect(),
        }),
    }
}

/// Features that make something faster where they are there.
const WANTED: wgpu::Features =
    wgpu::Features::PIPELINE_CACHE.union(wgpu::Features::TIMESTAMP_QUERY);

/// Workgroup memory that kernels count on: what every WebGPU device grants.
const WORKGROUP_MEMORY: u64 = 16 << 10;

/// An opened device with what is known of it.
pub(crate) struct Opened {
    pub gpu: Gpu,
    pub adapter: Adapter,
    pub limits: wgpu::Limits,
}

/// Opens a device.
///
/// # Errors
/// When no adapter fits, or it refuses.
pub(crate) async fn open(
    options: &Options,
    compiled: &dyn Fn(&Adapter) -> Option<Vec<u8>>,
) -> Result<Opened, Error> {
    let adapter = choose(&instance(), &options.adapter).await?;
    let known = Adapter::of(&adapter.get_info());
    let limits = options.limits.of(adapter.limits());
    let workgroup = limits.max_compute_workgroup_storage_size.into();
    if workgroup < WORKGROUP_MEMORY {
        return Err(Error::Limit {
            what: "workgroup memory in bytes".into(),
            needed: WORKGROUP_MEMORY,
            available: workgroup,
            hint: "use the CPU",
        });
    }
    let (device, queue) = adapter
        .request_device(&wgpu::DeviceDescriptor {
            label: Some("m2"),
            required_features: adapter.features() & WANTED,
            required_limits: limits.clone(),
            ..Default::default()
        })
        .await
        .map_err(|e| Error::NoDevice { adapter: known.name.clone(), message: e.to_string() })?;
    let gpu = Gpu::new(device, queue, compiled(&known).as_deref());
    Ok(Opened { gpu, adapter: known, limits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_parse() {
        let parse = |s: &str| s.parse::<Choice>().unwrap();
        assert_eq!(parse("gpu"), Choice::Best);
        assert_eq!(parse("gpu:1"), Choice::Index(1));
        assert_eq!(parse("llvmpipe"), Choice::Name("llvmpipe".into()));
    }

    #[test]
    fn an_adapter_that_hides_its_name_is_called_so() {
        let (api, driver) = ("webgpu".to_owned(), String::new());
        let key = String::new();
        let mut adapter = Adapter { name: String::new(), api, driver, class: Class::Other, key };
        assert_eq!(adapter.short(), "unnamed adapter (webgpu)");
        assert_eq!(adapter.to_string(), "unnamed adapter (webgpu, unknown kind)");
        adapter.name = "A".into();
        assert_eq!(adapter.short(), "A (webgpu)");
    }
}
