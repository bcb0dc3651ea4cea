//! `m2 info` and `m2 doctor`: what this machine offers, and whether it computes rightly.

use std::io::{self, Write};

use m2::{Device, files::cache::Locations};
use m2_cpu::CpuBackend;
use m2_ir::{Batch, HostTensor, Text, plan::Fusion};
use m2_nn::{Heads, ModelConfig, models};
use serde_json::{Value, json};

use crate::{
    args::{Args, Info},
    exit::Outcome,
};

/// Variables that change what m2 does.
const VARIABLES: [&str; 12] = [
    "M2_CACHE",
    "M2_MODEL",
    "M2_THREADS",
    "M2_MAX_MEMORY",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "HF_TOKEN",
    "XDG_CACHE_HOME",
    "NO_COLOR",
    "RUST_LOG",
];

pub fn info(args: &Args, a: &Info) -> anyhow::Result<Outcome> {
    let answer = match &a.model {
        Some(name) => of_model(name)?,
        None => of_machine(args),
    };
    let mut out = io::stdout().lock();
    match a.json {
        true => writeln!(out, "{answer}")?,
        false => print(&mut out, &answer)?,
    }
    Ok(Outcome::Done)
}

pub fn doctor(args: &Args) -> anyhow::Result<Outcome> {
    let mut answer = of_machine(args);
    let variables: serde_json::Map<String, Value> = VARIABLES
        .iter()
        .filter_map(|name| {
            let value = std::env::var_os(name)?.to_string_lossy().into_owned();
            let secret = name.contains("TOKEN");
            Some(((*name).to_owned(), if secret { json!("(set)") } else { json!(value) }))
        })
        .collect();
    answer["variables"] = Value::Object(variables);
    let error = pollster::block_on(self_test(&Device::cpu(args.threads)));
    let well = error.as_ref().is_ok_and(|e| *e < 1e-4);
    answer["self_test"] = match &error {
        Ok(e) => json!(format!("{}: error {e:.1e}", if well { "passed" } else { "FAILED" })),
        Err(e) => json!(format!("FAILED: {e:#}")),
    };
    print(&mut io::stdout().lock(), &answer)?;
    Ok(if well { Outcome::Done } else { Outcome::No })
}

fn of_machine(args: &Args) -> Value {
    let locations = Locations::from_env();
    let cpu = CpuBackend::new(args.threads);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "features": super::features(),
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "threads": cpu.threads(),
        "instruction_sets": m2_cpu::Isa::available().iter().map(|i| i.name()).collect::<Vec<_>>(),
        "used": cpu.isa().name(),
        "memory": memory(),
        "adapters": adapters(args),
        "cache": locations.cache,
        "hub_cache": locations.hub,
        "hub": locations.endpoint,
        "offline": locations.offline,
    })
}

fn of_model(name: &str) -> anyhow::Result<Value> {
    let folder = m2::locate(name, &Locations::from_env())?;
    let device = Device::cpu(1);
    let model = m2::Model::open(&folder, device, m2::OpenOptions::default())?;
    let (config, settings) = (model.config(), model.settings());
    Ok(json!({
        "folder": folder,
        "architecture": config.architecture.name(),
        "layers": config.num_hidden_layers,
        "width": config.hidden_size,
        "most_tokens": settings.max_length.unwrap_or(usize::MAX).min(model.max_positions()),
        "padding": config.padding.name(),
        "pooling": settings.pooling.map(m2::Pooling::name),
        "normalised": settings.normalize,
        "prompts": settings.prompts,
        "heads": {
            "fill": model.heads().mlm,
            "pooler": model.heads().pooler,
            "classify": model.heads().classifier,
        },
        "unsupported": settings.unsupported,
        "warnings": model.warnings(),
    }))
}

/// The GPUs and software adapters of this machine: what they offer, and which kernels they get.
#[cfg(feature = "gpu")]
fn adapters(args: &Args) -> Vec<Value> {
    use std::collections::BTreeMap;
    let details = pollster::block_on(m2_wgpu::details(&super::device::limits(args)));
    let variant =
        |v: m2_wgpu::Variant| json!({"op": v.op, "kernels": v.variant, "refused": v.refused});
    details
        .into_iter()
        .map(|d| {
            json!({
                "adapter": d.adapter.to_string(),
                "features": d.features.iter().copied().collect::<BTreeMap<_, _>>(),
                "limits": d.limits.iter().copied().collect::<BTreeMap<_, _>>(),
                "kernels": d.variants.into_iter().map(variant).collect::<Vec<_>>(),
            })
        })
        .collect()
}

#[cfg(not(feature = "gpu"))]
fn adapters(_: &Args) -> Vec<Value> {
    Vec::new()
}

fn print_adapter(out: &mut dyn Write, adapter: &Value) -> io::Result<()> {
    let text = |v: &Value| v.as_str().map_or(v.to_string(), str::to_owned);
    let pairs = |key: &str, show: &dyn Fn(&str, &Value) -> String| {
        let all = adapter[key].as_object().into_iter().flatten();
        all.map(|(name, value)| show(name, value)).collect::<Vec<_>>().join(", ")
    };
    writeln!(out, "{:<18} {}", "adapter", text(&adapter["adapter"]))?;
    let has = |name: &str, has: &Value| match has.as_bool() {
        Some(true) => name.to_owned(),
        _ => format!("no {name}"),
    };
    writeln!(out, "{:<18} {}", "  features", pairs("features", &has))?;
    writeln!(out, "{:<18} {}", "  limits", pairs("limits", &|name, v| format!("{name} {v}")))?;
    for kernel in adapter["kernels"].as_array().into_iter().flatten() {
        let (op, kernels) = (text(&kernel["op"]), text(&kernel["kernels"]));
        writeln!(out, "  {op:<16} {kernels}; not {}", text(&kernel["refused"]))?;
    }
    Ok(())
}

fn print(out: &mut dyn Write, answer: &Value) -> io::Result<()> {
    for (key, value) in answer.as_object().into_iter().flatten() {
        if key == "adapters" {
            let all = value.as_array().into_iter().flatten();
            all.into_iter().try_for_each(|adapter| print_adapter(out, adapter))?;
            continue;
        }
        let text = match value {
            Value::Null => "-".to_owned(),
            Value::String(s) => s.clone(),
            Value::Array(all) => {
                let parts: Vec<String> =
                    all.iter().map(|v| v.as_str().map_or(v.to_string(), str::to_owned)).collect();
                parts.join(", ")
            }
            Value::Object(map) => {
                let parts: Vec<String> = map.iter().map(|(k, v)| format!("{k}={v}")).collect();
                parts.join(" ")
            }
            other => other.to_string(),
        };
        writeln!(out, "{key:<18} {text}")?;
    }
    Ok(())
}

/// What the system says about its memory.
fn memory() -> Option<String> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("MemTotal:"))?;
    Some(line.trim_start_matches("MemTotal:").trim().to_owned())
}

/// Runs a small M2-BERT with seeded weights in f32 as users get it, and plainly in f64: the largest
/// relative difference.
async fn self_test(device: &Device) -> anyhow::Result<f64> {
    let text = r#"{"monarch_mixer_sequence_mixing": true, "vocab_size": 64, "hidden_size": 32,
        "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 50,
        "hyena_filter_order": 16}"#;
    let config = ModelConfig::from_json(text)?;
    let heads = Heads { mlm: false, pooler: true, classifier: false };
    let tensors = m2_nn::init::init(&config, heads, 11);
    let graph = models::graph(&config, heads)?.with_outputs(&[models::outputs::POOLED_CLS]);
    let graph = graph.map_err(|name| anyhow::anyhow!("the model has no value {name}"))?;
    let graph = m2_ir::passes::dead_code(&graph)?;
    let ids: Vec<u32> = (0..47).map(|i| i * i % 64).collect();
    let rows = [&ids[..], &ids[..7]].map(|ids| Text { ids, token_types: None, valid: ids.len() });
    let batch = Batch::from_texts(&rows)?;
    let exact = m2_cpu::reference::run::<f64>(&graph, &tensors, &batch)?;
    let plan = m2_ir::plan::lower(&graph, &device.target(), batch.sizes().class(), Fusion::Full)?;
    let mut weights = device.weights();
    let mut program = device.load(plan, &tensors, &mut weights).await?;
    let run = device.run(&mut program, &batch).await?;
    let found: HostTensor = device.read(&program, &run, 0).await?;
    let exact = &exact[0].data;
    let largest = exact.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let errors = found.to_f64().into_iter().zip(exact).map(|(a, b)| (a - b).abs());
    Ok(errors.fold(0.0, f64::max) / largest)
}
