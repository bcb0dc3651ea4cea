//! `m2 init`

use std::path::Path;

use anyhow::{Context, bail};
use m2::{folder::NewFolder, fresh};
use m2_nn::{Heads, ModelConfig, checkpoint::state_dict, parameters, presets};

use crate::{
    args::{Args, Init},
    exit::Outcome,
    progress,
};

pub fn run(args: &Args, a: &Init) -> anyhow::Result<Outcome> {
    let (config, heads) = configuration(a)?;
    let values: u64 = parameters(&config, heads).iter().map(|s| s.elements()).sum();
    let needed = values.saturating_mul(4);
    if let Some(allowed) = args.max_memory.filter(|&most| needed > most) {
        bail!("{} needs {needed} bytes of memory, {allowed} are allowed", a.config);
    }
    // Before seconds of work, not after.
    NewFolder::check(&a.output, a.force)?;
    let bar = progress::bar(Some(values), "weights");
    let tensors = fresh::weights(&config, heads, a.seed, args.threads, &|n| bar.inc(n));
    bar.finish_and_clear();
    let tensors = state_dict(&config, heads, tensors);
    NewFolder { config: &config, tensors: &tensors, copies: &[] }.write(&a.output, a.force)?;
    eprintln!("m2: {} with seed {} is in {}", a.config, a.seed, a.output.display());
    Ok(Outcome::Done)
}

/// A configuration by its name, or read from a file, with the heads a fresh model gets.
fn configuration(a: &Init) -> anyhow::Result<(ModelConfig, Heads)> {
    let name = a.config.as_str();
    if let Some(preset) = presets::Preset::find(name) {
        return Ok((preset.for_length(a.length.unwrap_or(0))?, preset.heads()));
    }
    let path = Path::new(name);
    if !path.is_file() {
        bail!("{name} is neither a file nor a configuration; configurations are {}", names());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let mut config = ModelConfig::from_json(&text).with_context(|| name.to_owned())?;
    if let Some(length) = a.length.filter(|&n| n > config.max_position_embeddings) {
        config = config.with_positions(length).with_context(|| name.to_owned())?;
    }
    let heads = fresh::heads(&config);
    Ok((config, heads))
}

/// The names of all configurations.
pub fn names() -> String {
    presets::PRESETS.iter().map(|p| p.name).collect::<Vec<_>>().join(", ")
}
