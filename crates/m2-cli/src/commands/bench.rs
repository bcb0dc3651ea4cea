//! `m2 bench`

use std::{
    io::{self, Write},
    path::Path,
    time::Duration,
};

use anyhow::bail;
use clap::ValueEnum;
use m2::{
    Device,
    bench::{Dispatched, Forward, Loaded, Output, Timing},
    files::{npy::NpyWriter, part::PartOptions},
};
use m2_ir::{DType, HostTensor};
use serde_json::{Value, json};

use crate::{
    args::{Args, Bench, BenchForward, BenchOutput, BenchStart, BenchWhat},
    exit::Outcome,
};

/// Seed of the weights where a configuration is named.
const SEED: u32 = 0;

pub fn run(args: &Args, a: &Bench) -> anyhow::Result<Outcome> {
    match &a.what {
        BenchWhat::Forward(a) => forward(args, a),
        BenchWhat::Start(a) => start(args, a),
        BenchWhat::Op(a) => super::bench_op::run(args, a),
    }
}

fn forward(args: &Args, a: &BenchForward) -> anyhow::Result<Outcome> {
    check(a)?;
    let device = super::device::open_with(args, &a.device, &a.kernels)?;
    let loaded = load(args, a)?;
    let output = match a.output {
        BenchOutput::Hidden => Output::Hidden,
        BenchOutput::Pooled => Output::Pooled,
    };
    let mut model = Forward::new(&device, &loaded, output)?.with_profile(a.profile);
    let mut results = Vec::new();
    for &length in &a.lengths {
        let timing = pollster::block_on(model.time(length, a.batch, a.rounds))?;
        if let Some(path) = &a.dump {
            dump(path, &timing.values)?;
        }
        let mut result = as_json(&timing, &device);
        result["dtype"] = name(a.dtype);
        result["weights"] = name(args.weights);
        if !a.json {
            print(&result)?;
        }
        results.push(result);
    }
    if a.json {
        writeln!(io::stdout(), "{}", Value::Array(results))?;
    }
    Ok(Outcome::Done)
}

fn start(args: &Args, a: &BenchStart) -> anyhow::Result<Outcome> {
    let folder = m2::locate(&a.model, &m2::files::cache::Locations::from_env())?;
    let parts = m2::bench::start(&folder, super::device::open(args, &a.device)?, &a.text)?;
    let ms = |part: Duration| part.as_secs_f64() * 1e3;
    let all = [
        ("total", parts.total(), "to the first vector:"),
        ("open", parts.open, "  open, all threads"),
        ("tokenizer", parts.tokenizer, "    tokenizer, alone"),
        ("read", parts.read, "    read weights, alone"),
        ("check", parts.check, "    check for NaN, one thread"),
        ("tokenise", parts.tokenise, "  tokenise"),
        ("pack", parts.pack, "  plan, pack, allocate"),
        ("forward", parts.forward, "  first forward"),
    ];
    let mut out = io::stdout();
    if a.json {
        let parts = all.map(|(name, part, _)| (format!("{name}_ms"), json!(ms(part))));
        writeln!(out, "{}", Value::Object(parts.into_iter().collect()))?;
        return Ok(Outcome::Done);
    }
    for (_, part, what) in all {
        writeln!(out, "{what:<30} {:>8.2} ms", ms(part))?;
    }
    Ok(Outcome::Done)
}

fn check(a: &BenchForward) -> anyhow::Result<()> {
    if a.lengths.is_empty() || a.lengths.contains(&0) || a.batch == 0 || a.rounds == Some(0) {
        bail!("lengths, --batch and --rounds begin at 1");
    }
    if a.lengths.iter().any(|n| n.checked_mul(a.batch).is_none_or(|tokens| tokens > 1 << 30)) {
        bail!("a batch of {} texts of these lengths does not fit 32 bits; use fewer", a.batch);
    }
    if a.dump.is_some() && a.lengths.len() > 1 {
        bail!("--dump writes one file, for one length; {} are given", a.lengths.len());
    }
    Ok(())
}

/// The weights of a folder, or seeded ones for the longest length: they do not change how long it
/// takes.
fn load(args: &Args, a: &BenchForward) -> anyhow::Result<Loaded> {
    let longest = a.lengths.iter().copied().max().unwrap_or(1);
    let config = super::graph::configuration(&a.model, longest)?;
    if super::graph::is_preset(&a.model) {
        return Ok(Loaded::fresh(config, SEED, args.threads));
    }
    let folder = m2::locate(&a.model, &m2::files::cache::Locations::from_env())?;
    Ok(Loaded::open(&folder)?)
}

fn dump(path: &Path, values: &HostTensor) -> anyhow::Result<()> {
    let width = values.shape().last().copied().unwrap_or(1);
    let mut file = NpyWriter::create(path, "bench", DType::F32, width, PartOptions::default())?;
    file.append(&values.to_f32())?;
    Ok(file.finish()?)
}

/// The name of an argument's value.
fn name(value: impl ValueEnum) -> Value {
    value.to_possible_value().map_or(Value::Null, |v| v.get_name().into())
}

fn as_json(t: &Timing, device: &Device) -> Value {
    let (isa, threads) = match device {
        Device::Cpu(cpu) => (Some(cpu.isa().name()), Some(cpu.threads())),
        #[cfg(feature = "gpu")]
        Device::Gpu(_) => (None, None),
    };
    let mut result = json!({
        "length": t.length,
        "batch": t.batch,
        "device": device.to_string(),
        "isa": isa,
        "threads": threads,
        "rounds": t.seconds.len(),
        "median_ms": t.median() * 1e3,
        "min_ms": t.min() * 1e3,
        "tokens_per_s": t.tokens_per_second(),
        "gflops": t.gflops(),
        "peak_gflops": t.peak,
        "share_of_peak": t.share_of_peak(),
    });
    if let Some(c) = t.counts {
        result["counts"] = json!({
            "dispatches": c.dispatches,
            "activation_bytes": c.activation_bytes,
            "submissions": c.submissions,
            "objects_made_in_rounds": c.objects_made,
            "planned_bytes": c.planned_bytes,
            "live_bytes": c.live_bytes,
        });
    }
    if !t.dispatches.is_empty() {
        let one =
            |d: &Dispatched| json!({"kernel": d.label, "ms": d.seconds * 1e3, "flops": d.flops});
        result["dispatches"] = t.dispatches.iter().map(one).collect();
    }
    result
}

fn print(r: &Value) -> io::Result<()> {
    let number = |key: &str| r[key].as_f64().unwrap_or(f64::NAN);
    let share = match r["share_of_peak"].as_f64() {
        Some(share) => format!("  {:>3.0} % of peak", 100.0 * share),
        None => String::new(),
    };
    writeln!(
        io::stdout(),
        "{:>6} tokens x {}  median {:>9.2} ms  min {:>9.2} ms  {:>9.0} tokens/s  {:>7.1} GFLOP/s\
         {share}",
        r["length"],
        r["batch"],
        number("median_ms"),
        number("min_ms"),
        number("tokens_per_s"),
        number("gflops"),
    )?;
    if let Some(counts) = r["counts"].as_object() {
        let words: Vec<String> = counts.iter().map(|(k, v)| format!("{k} {v}")).collect();
        writeln!(io::stdout(), "       {}", words.join(", ").replace('_', " "))?;
    }
    for d in r["dispatches"].as_array().into_iter().flatten() {
        let (ms, flops) = (d["ms"].as_f64().unwrap_or(0.0), d["flops"].as_f64().unwrap_or(0.0));
        let name = d["kernel"].as_str().unwrap_or_default();
        writeln!(io::stdout(), "{ms:>12.3} ms {:>9.2} GFLOP/s  {name}", flops / ms * 1e-6)?;
    }
    Ok(())
}
