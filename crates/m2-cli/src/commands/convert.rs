//! `m2 convert`

use std::path::{Path, PathBuf};

use anyhow::Context;
use m2::{
    files::torch,
    folder::{NewFolder, TEXT_FILES},
};
use m2_nn::{Checkpoint, LoadOptions, ModelConfig};

use crate::{args::Convert, exit::Outcome};

pub fn run(a: &Convert) -> anyhow::Result<Outcome> {
    let input = match a.input.is_dir() {
        true => a.input.join("pytorch_model.bin"),
        false => a.input.clone(),
    };
    let found = torch::read_checkpoint(&input)?;
    for name in &found.ignored {
        eprintln!("m2: `{name}` holds no tensor; ignored");
    }
    let folder = input.parent().unwrap_or(Path::new("")).to_owned();
    let mut checkpoint =
        Checkpoint::new(found.tensors.clone()).with_context(|| input.display().to_string())?;
    let mut tensors = found.tensors;
    if a.bare_names {
        checkpoint.accept_bare_names();
        tensors = checkpoint.tensors().clone();
    }
    let config = configuration(a, &folder, &checkpoint)?;
    // All that could be wrong shows before anything is written.
    let weights = checkpoint
        .load(&config, LoadOptions { strict: a.strict })
        .and_then(|w| w.check_finite().map(|()| w))
        .with_context(|| input.display().to_string())?;
    for warning in &weights.warnings {
        eprintln!("m2: {warning}");
    }
    let copies: Vec<PathBuf> =
        TEXT_FILES.iter().map(|f| folder.join(f)).filter(|p| p.is_file()).collect();
    NewFolder { config: &weights.config, tensors: &tensors, copies: &copies }
        .write(&a.output, a.force)?;
    eprintln!("m2: {} tensors are in {}", tensors.len(), a.output.display());
    Ok(Outcome::Done)
}

/// The configuration that is named, the one beside the checkpoint, or what the shapes show.
fn configuration(
    a: &Convert,
    folder: &Path,
    checkpoint: &Checkpoint,
) -> anyhow::Result<ModelConfig> {
    let beside = folder.join("config.json");
    let path = match &a.config {
        Some(path) => path.clone(),
        None if beside.is_file() => beside,
        None => {
            let config =
                checkpoint.infer_config().with_context(|| a.input.display().to_string())?;
            eprintln!(
                "m2: there is no config.json; the shapes of the tensors give one, but do not show \
                 attention heads, hyena_w_mod, the LayerNorm's eps and pooling: check them"
            );
            return Ok(config);
        }
    };
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    ModelConfig::from_json(&text).with_context(|| path.display().to_string())
}
