//! One file a command.

mod bench;
mod bench_op;
mod cache;
mod classify;
mod convert;
mod embed;
mod fill;
mod graph;
mod info;
mod init;
mod inspect;
mod model;
#[cfg(feature = "gpu")]
mod predict;
mod pull;
mod search;
mod text;
mod verify;
mod verify_vectors;

use m2::Device;

#[cfg(feature = "gpu")]
use crate::{args::LimitsArg, progress};
use crate::{
    args::{Args, Command, WeightsArg},
    exit::Outcome,
};

/// Runs a command.
pub fn run(args: Args) -> anyhow::Result<Outcome> {
    match &args.command {
        Command::Embed(a) => embed::run(&args, a),
        Command::Search(a) => search::run(&args, a),
        Command::Fill(a) => fill::run(&args, a),
        Command::Classify(a) => classify::run(&args, a),
        Command::Inspect(a) => inspect::run(a),
        Command::Verify(a) => verify::run(&args, a),
        Command::Init(a) => init::run(&args, a),
        Command::Convert(a) => convert::run(a),
        Command::Pull(a) => pull::run(a),
        Command::Cache(a) => cache::run(a),
        Command::Graph(a) => graph::run(&args, a),
        Command::Bench(a) => bench::run(&args, a),
        Command::Info(a) => info::info(&args, a),
        Command::Doctor => info::doctor(&args),
        Command::Completions(a) => text::completions(a),
        Command::Man(a) => text::man(a),
    }
}

/// The device that `--device` names.
fn device(args: &Args, name: &str) -> anyhow::Result<Device> {
    match name {
        "cpu" if args.weights == WeightsArg::F16 => {
            anyhow::bail!("--weights f16 is for GPUs; add --device gpu, or leave it out")
        }
        "cpu" => Ok(cpu(args)),
        name => gpu(args, name),
    }
}

fn cpu(args: &Args) -> Device {
    Device::cpu_with_memory(args.threads, args.max_memory.unwrap_or(u64::MAX))
}

/// `gpu`, `gpu:N`, `auto`, or part of an adapter's name.
#[cfg(feature = "gpu")]
fn gpu(args: &Args, name: &str) -> anyhow::Result<Device> {
    // `auto` never takes a software adapter: the CPU's own engine is faster.
    let is_software = |a: &m2_wgpu::Adapter| a.class == m2_wgpu::Class::Software;
    if name == "auto" && pollster::block_on(m2_wgpu::adapters()).iter().all(is_software) {
        return Ok(cpu(args));
    }
    gpu_with(args, if name == "auto" { "gpu" } else { name }, m2_wgpu::Options::default())
}

/// The limits of a GPU that may be used.
#[cfg(feature = "gpu")]
fn limits(args: &Args) -> m2_wgpu::Limits {
    match args.limits {
        LimitsArg::All => m2_wgpu::Limits::Adapter,
        LimitsArg::Webgpu => m2_wgpu::Limits::WebGpu,
    }
}

/// How a GPU stores weights.
#[cfg(feature = "gpu")]
fn weights(args: &Args) -> m2_wgpu::Storage {
    match args.weights {
        WeightsArg::F32 => m2_wgpu::Storage::F32,
        WeightsArg::F16 => m2_wgpu::Storage::F16,
    }
}

/// How to open the GPU of this name.
#[cfg(feature = "gpu")]
fn gpu_options(args: &Args, name: &str, other: m2_wgpu::Options) -> m2::GpuOptions {
    let Ok(adapter) = name.parse();
    let (limits, max_memory, weights) = (limits(args), args.max_memory, weights(args));
    let device = m2_wgpu::Options { adapter, limits, max_memory, weights, ..other };
    m2::GpuOptions {
        device,
        kernels: Some(m2::files::cache::Locations::from_env().cache.join("kernels")),
    }
}

/// A GPU by its name.
#[cfg(feature = "gpu")]
fn gpu_with(args: &Args, name: &str, other: m2_wgpu::Options) -> anyhow::Result<Device> {
    let mut device = pollster::block_on(Device::gpu(gpu_options(args, name, other)))?;
    if let Device::Gpu(gpu) = &mut device {
        if gpu.backend().adapter().class == m2_wgpu::Class::Software {
            eprintln!(
                "m2: {} is a program on the CPU; --device cpu is faster",
                gpu.backend().adapter().name
            );
        }
        gpu.backend_mut().on_compile(progress::compiling());
    }
    Ok(device)
}

#[cfg(not(feature = "gpu"))]
fn gpu(args: &Args, name: &str) -> anyhow::Result<Device> {
    match name {
        "auto" => Ok(cpu(args)),
        other => anyhow::bail!(
            "this m2 was built without the feature `gpu`; --device {other} is unknown"
        ),
    }
}

/// The optional parts that this binary has.
fn features() -> Vec<&'static str> {
    let all = [("gpu", cfg!(feature = "gpu")), ("hub", cfg!(feature = "hub"))];
    all.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect()
}
