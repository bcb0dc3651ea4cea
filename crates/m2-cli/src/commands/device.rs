//! The device that `--device` names, opened as the options say.

use anyhow::bail;
use m2::Device;

use crate::args::{Args, Kernels, WeightsArg};
#[cfg(feature = "gpu")]
use crate::{args::LimitsArg, progress};

/// The device of this name: `cpu`, `gpu`, `gpu:N`, `auto`, or part of an adapter's name.
pub fn open(args: &Args, name: &str) -> anyhow::Result<Device> {
    open_with(args, name, &Kernels::default())
}

/// The device of this name, with kernels of one's own choice.
pub fn open_with(args: &Args, name: &str, kernels: &Kernels) -> anyhow::Result<Device> {
    match name {
        "cpu" => cpu(args, kernels),
        name => gpu(args, name, kernels),
    }
}

/// Whether no option asks for more than any GPU does by itself.
pub fn is_plain(args: &Args, kernels: &Kernels) -> bool {
    args.weights == WeightsArg::F32 && *kernels == Kernels::default()
}

fn cpu(args: &Args, kernels: &Kernels) -> anyhow::Result<Device> {
    let others = [
        ("--weights f16 is", args.weights == WeightsArg::F16),
        ("--variant is", kernels.variant.is_some()),
        ("--slices is", kernels.slices.is_some()),
        ("--norms-in-products is", kernels.norms_in_products),
    ];
    if let Some((option, _)) = others.iter().find(|(_, given)| *given) {
        bail!("{option} for GPUs; add --device gpu, or leave it out");
    }
    Ok(Device::cpu_with_memory(args.threads, args.max_memory.unwrap_or(u64::MAX)))
}

#[cfg(feature = "gpu")]
fn gpu(args: &Args, name: &str, kernels: &Kernels) -> anyhow::Result<Device> {
    // `auto` never takes a software adapter: the CPU's own engine is faster.
    let is_software = |a: &m2_wgpu::Adapter| a.class == m2_wgpu::Class::Software;
    if name == "auto" && pollster::block_on(m2_wgpu::adapters()).iter().all(is_software) {
        return cpu(args, kernels);
    }
    let name = if name == "auto" { "gpu" } else { name };
    let mut device = pollster::block_on(Device::gpu(options(args, name, kernels)?))?;
    if let Device::Gpu(gpu) = &mut device {
        let adapter = gpu.backend().adapter();
        if adapter.class == m2_wgpu::Class::Software {
            eprintln!("m2: {} is a program on the CPU; --device cpu is faster", adapter.name);
        }
        gpu.backend_mut().on_compile(progress::compiling());
    }
    if kernels.norms_in_products && !device.target().norms_in_products {
        bail!("only tiled products compute the layer norms between them; add --variant tiled");
    }
    Ok(device)
}

#[cfg(not(feature = "gpu"))]
fn gpu(args: &Args, name: &str, kernels: &Kernels) -> anyhow::Result<Device> {
    match name {
        "auto" => cpu(args, kernels),
        other => bail!("this m2 was built without the feature `gpu`; --device {other} is unknown"),
    }
}

/// The limits of a GPU that may be used.
#[cfg(feature = "gpu")]
pub fn limits(args: &Args) -> m2_wgpu::Limits {
    match args.limits {
        LimitsArg::All => m2_wgpu::Limits::Adapter,
        LimitsArg::Webgpu => m2_wgpu::Limits::WebGpu,
    }
}

/// How to open the GPU of this name.
#[cfg(feature = "gpu")]
pub fn options(args: &Args, name: &str, kernels: &Kernels) -> anyhow::Result<m2::GpuOptions> {
    if kernels.slices == Some(0) {
        bail!("--slices begins at 1");
    }
    let Ok(adapter) = name.parse();
    let products = kernels.variant.as_deref().map(str::parse).transpose();
    let device = m2_wgpu::Options {
        adapter,
        limits: limits(args),
        max_memory: args.max_memory,
        weights: match args.weights {
            WeightsArg::F32 => m2_wgpu::Storage::F32,
            WeightsArg::F16 => m2_wgpu::Storage::F16,
        },
        products: products.map_err(anyhow::Error::msg)?,
        slices: kernels.slices,
        norms_in_products: kernels.norms_in_products,
        ..Default::default()
    };
    Ok(m2::GpuOptions {
        device,
        kernels: Some(m2::files::cache::Locations::from_env().cache.join("kernels")),
    })
}
