//! `m2 graph`

use std::{
    io::{self, Write},
    path::Path,
};

use anyhow::bail;
use m2::{Device, files::atomic};
use m2_ir::{
    Graph, Kind, Plan, RowTable, Sizes, Target, passes,
    plan::{Fusion, lower},
};
use m2_nn::{Heads, ModelConfig, models, presets::Preset};
use serde_json::{Value, json};

use super::device;
use crate::{
    args::{self, Args},
    exit::Outcome,
};

pub fn run(args: &Args, a: &args::Graph) -> anyhow::Result<Outcome> {
    let config = configuration(&a.model, a.length)?;
    let planned_for = planned_for(args, a)?;
    let target = planned_for.target(args);
    let sizes = sizes(a.batch, a.length, &a.output)?;
    let graph = chosen(&config, &a.output)?;
    if let Some(pass) = &a.dump_after {
        return dump_after(&graph, &target, pass, a.svg.as_deref());
    }
    let plan = lower(&graph, &target, sizes, Fusion::Full)?;
    if let Some(path) = &a.svg {
        let svg = m2_ir::svg::plan(&plan);
        atomic::write(path, |out| out.write_all(svg.as_bytes()))?;
    }
    let mut out = io::stdout().lock();
    if a.predict {
        return predict(&mut out, &planned_for, &plan, a.json);
    }
    match (a.counts, a.json) {
        (true, as_json) => {
            let counts = counts(&config, &plan, &a.output, &planned_for)?;
            match as_json {
                true => writeln!(out, "{counts}")?,
                false => print_counts(&mut out, &counts)?,
            }
        }
        (false, _) if a.svg.is_none() => write!(out, "{plan}")?,
        (false, _) => {}
    }
    Ok(Outcome::Done)
}

/// Predicts times on cards that are not here.
#[cfg_attr(not(feature = "gpu"), expect(unused_variables, reason = "only GPUs dispatch"))]
fn predict(
    out: &mut dyn Write,
    on: &PlannedFor,
    plan: &Plan,
    json: bool,
) -> anyhow::Result<Outcome> {
    #[cfg(feature = "gpu")]
    if let Some(schedule) = on.schedule(plan)? {
        let prediction = super::predict::predict(&schedule, plan.class.tokens);
        match json {
            true => writeln!(out, "{prediction}")?,
            false => super::predict::print(out, &prediction)?,
        }
        return Ok(Outcome::Done);
    }
    bail!("--predict is about GPUs; add --device gpu")
}

/// Prints or draws the graph as a pass leaves it.
fn dump_after(
    graph: &Graph,
    target: &Target,
    pass: &str,
    svg: Option<&Path>,
) -> anyhow::Result<Outcome> {
    let list = passes::fused(target);
    let mut found = (pass == "build").then(|| graph.clone());
    // A pass that runs twice is shown after its last run.
    passes::run(graph, &list, |name, graph| {
        if name == pass {
            found = Some(graph.clone());
        }
    })?;
    let Some(graph) = found else {
        let names: Vec<&str> = list.iter().map(|(name, _)| *name).collect();
        bail!("there is no pass `{pass}`; there are build, {}", names.join(", "));
    };
    match svg {
        Some(path) => {
            atomic::write(path, |out| out.write_all(m2_ir::svg::graph(&graph).as_bytes()))?;
        }
        None => write!(io::stdout(), "{graph}")?,
    }
    Ok(Outcome::Done)
}

/// A configuration by name, grown to the length, or that of a folder.
pub fn configuration(model: &str, length: usize) -> anyhow::Result<ModelConfig> {
    if let Some(preset) = Preset::find(model) {
        return Ok(preset.for_length(length)?);
    }
    let locations = m2::files::cache::Locations::from_env();
    let Ok(folder) = m2::locate(model, &locations) else {
        bail!(
            "{model} is neither a configuration nor a model on this machine; configurations are {}",
            super::init::names()
        );
    };
    fits(m2::read_config(&folder)?, length, model)
}

fn fits(config: ModelConfig, length: usize, model: &str) -> anyhow::Result<ModelConfig> {
    let most = config.max_position_embeddings;
    if length > most {
        bail!("{model} takes at most {most} tokens, found a length of {length}");
    }
    Ok(config)
}

/// What a plan is made for.
enum PlannedFor {
    Device(Device),
    /// WebGPU's default limits.
    AnyGpu,
}

impl PlannedFor {
    fn target(&self, args: &Args) -> Target {
        match self {
            PlannedFor::Device(device) => device.target(),
            PlannedFor::AnyGpu => {
                Target { max_memory: args.max_memory.unwrap_or(u64::MAX), ..Target::webgpu() }
            }
        }
    }

    /// What a GPU records for a plan; `None` on a CPU, which dispatches nothing.
    #[cfg(feature = "gpu")]
    fn schedule(&self, plan: &Plan) -> anyhow::Result<Option<m2_wgpu::Schedule>> {
        Ok(match self {
            PlannedFor::Device(Device::Gpu(gpu)) => Some(gpu.schedule(plan)?),
            PlannedFor::Device(Device::Cpu(_)) => None,
            PlannedFor::AnyGpu => Some(m2_wgpu::Schedule::webgpu(plan)?),
        })
    }
}

fn planned_for(args: &Args, a: &args::Graph) -> anyhow::Result<PlannedFor> {
    let any = matches!(a.device.as_str(), "gpu" | "auto") && device::is_plain(args, &a.kernels);
    match device::open_with(args, &a.device, &a.kernels) {
        Ok(device) => Ok(PlannedFor::Device(device)),
        Err(e) if any => {
            eprintln!("m2: planning for WebGPU's default limits, since {e:#}");
            Ok(PlannedFor::AnyGpu)
        }
        Err(e) => Err(e),
    }
}

/// Sizes of a batch of texts of one length; every token is asked where asked logits are wanted.
fn sizes(batch: usize, length: usize, outputs: &[String]) -> anyhow::Result<Sizes> {
    if batch == 0 || length == 0 {
        bail!("a batch of {batch} texts of {length} tokens is empty");
    }
    if batch.checked_mul(length).is_none_or(|tokens| tokens > 1 << 30) {
        bail!("a batch of {batch} texts of {length} tokens does not fit 32 bits; use fewer");
    }
    let tokens = RowTable::new((0..batch).map(|_| (length, length)))?.tokens();
    let asks = outputs.iter().any(|o| o == models::outputs::ASKED_LOGITS);
    Ok(Sizes { tokens, rows: batch, asked: if asks { tokens } else { 0 }, span: length })
}

fn chosen(config: &ModelConfig, outputs: &[String]) -> anyhow::Result<Graph> {
    let graph = models::graph(config, Heads::ALL)?;
    match graph.with_outputs(outputs) {
        Ok(graph) => Ok(passes::dead_code(&graph)?),
        Err(name) => bail!("the model has no value `{name}`; try encoder, mean, pooled_cls"),
    }
}

/// Costs of a plan: of one step, or of many together.
#[derive(Clone, Copy, Default)]
struct Sums {
    dispatches: u64,
    width: u64,
    flops: u64,
    bytes: u64,
    peak: u64,
}

/// Steps and what they read and write; on a GPU the dispatches as they will be recorded.
#[cfg_attr(
    not(feature = "gpu"),
    expect(unused_mut, unused_variables, reason = "only GPUs dispatch")
)]
fn sums(plan: &Plan, on: &PlannedFor) -> anyhow::Result<Sums> {
    let mut sums = plan.costs().iter().fold(Sums::default(), |s, c| Sums {
        dispatches: s.dispatches + 1,
        width: s.width + c.activation_width,
        flops: s.flops + c.flops,
        bytes: s.bytes + c.bytes,
        peak: plan.peak_bytes(),
    });
    #[cfg(feature = "gpu")]
    if let Some(schedule) = on.schedule(plan)? {
        sums.dispatches = schedule.dispatches.len() as u64;
        sums.width = schedule.dispatches.iter().map(|d| d.activation_width).sum();
        sums.peak = schedule.memory.total();
    }
    Ok(sums)
}

fn counts(
    config: &ModelConfig,
    plan: &Plan,
    outputs: &[String],
    on: &PlannedFor,
) -> anyhow::Result<Value> {
    // What one more layer costs: neither the embeddings nor the heads are in it.
    let of_layers = |layers: usize| -> anyhow::Result<Sums> {
        let config = ModelConfig { num_hidden_layers: layers, ..config.clone() };
        let graph = chosen(&config, outputs)?;
        // The limits of the device are for the whole model.
        let target = Target { max_memory: u64::MAX, ..plan.target.clone() };
        sums(&lower(&graph, &target, plan.class, Fusion::Full)?, on)
    };
    let (two, three) = (of_layers(2)?, of_layers(3)?);
    let width = three.width.saturating_sub(two.width) as f64 / config.hidden_size as f64;
    let all = sums(plan, on)?;
    let ops: Vec<Value> = plan
        .costs()
        .iter()
        .map(|c| {
            json!({
                "op": c.name, "path": c.path, "flops": c.flops, "bytes": c.bytes,
                "activation_values_per_token": c.activation_width,
            })
        })
        .collect();
    Ok(json!({
        "model": config.architecture.name(),
        "target": plan.target.name,
        "kind": if plan.target.kind == Kind::Cpu { "cpu" } else { "gpu" },
        "tokens": plan.class.tokens,
        "rows": plan.class.rows,
        "dispatches": all.dispatches,
        "dispatches_per_layer": three.dispatches - two.dispatches.min(three.dispatches),
        "activation_values_per_token": all.width,
        "activation_values_per_token_layer_over_h": width,
        "flops": all.flops,
        "bytes": all.bytes,
        "peak_bytes": all.peak,
        "ops": ops,
    }))
}

fn print_counts(out: &mut dyn Write, counts: &Value) -> io::Result<()> {
    for (key, value) in counts.as_object().into_iter().flatten() {
        if key != "ops" {
            writeln!(out, "{key:<42} {}", value.to_string().trim_matches('"'))?;
        }
    }
    writeln!(out, "\n{:<22} {:>14} {:>14}  path", "op", "flops", "bytes")?;
    for op in counts["ops"].as_array().into_iter().flatten() {
        let text = |key: &str| op[key].to_string().trim_matches('"').to_owned();
        let (name, flops, bytes) = (text("op"), text("flops"), text("bytes"));
        writeln!(out, "{name:<22} {flops:>14} {bytes:>14}  {}", text("path"))?;
    }
    Ok(())
}

/// Whether a model's name means a configuration, not a folder.
pub fn is_preset(model: &str) -> bool {
    Preset::find(model).is_some() && !Path::new(model).is_dir()
}
