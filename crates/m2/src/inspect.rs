//! What a file or folder of weights holds, seen from its names and shapes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use m2_ir::{DType, HostTensor};
use m2_nn::{Checkpoint, CheckpointError, Kind, ModelConfig, ParamSpec, Part, parameters};
use serde_json::Value;

use crate::{
    Error,
    files::{
        safetensors::{FiniteCheck, LoadOptions, Safetensors},
        torch,
    },
    read_config,
};

/// One tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorLine {
    /// Its name in the file.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Sizes, slowest first.
    pub shape: Vec<usize>,
    /// The part of the model it belongs to; `None` for one the model does not have.
    pub part: Option<Part>,
    /// Whether it is another name of a tensor that is counted already.
    pub alias: bool,
    /// Whether it is a constant table, which is not trained.
    pub table: bool,
}

/// What a checkpoint holds.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Where it was read from.
    pub file: String,
    /// The tensors by name.
    pub tensors: Vec<TensorLine>,
    /// Bytes of all tensors.
    pub bytes: u64,
    /// Trained parameters of each part that has any, each shared tensor counted once.
    pub parts: Vec<(Part, u64)>,
    /// The configuration that names and shapes show.
    pub inferred: ModelConfig,
    /// The folder's `config.json`, if there is one.
    pub config: Option<ModelConfig>,
    /// Keys of which config.json and shapes say different things: (key, config.json's, shapes').
    pub differences: Vec<(String, Value, Value)>,
    /// What a user should know.
    pub warnings: Vec<String>,
}

impl Inspection {
    /// Trained parameters, each shared tensor counted once.
    pub fn parameters(&self) -> u64 {
        self.parts.iter().map(|(_, n)| n).sum()
    }
}

/// Looks at a model's folder, or a file of weights (`.safetensors`, `.pt`, `.bin`).
///
/// # Errors
/// When the files are damaged or hold no model this library knows.
pub fn inspect(path: &Path) -> Result<Inspection, Error> {
    let (file, tensors) = read(path)?;
    let beside = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
    let has_config = beside.join("config.json").is_file();
    let config = if has_config { Some(read_config(beside)?) } else { None };
    let wrong = |e| Error::checkpoint(file.clone(), e);
    let mut checkpoint = Checkpoint::new(tensors.clone()).map_err(wrong)?;
    let mut warnings = Vec::new();
    if !checkpoint.tensors().contains_key("bert.embeddings.word_embeddings.weight")
        && checkpoint.tensors().contains_key("embeddings.word_embeddings.weight")
    {
        checkpoint.accept_bare_names();
        warnings.push("names are without the prefix `bert.`".to_owned());
    }
    let inferred = checkpoint.infer_config().map_err(wrong)?;
    let facts = checkpoint.facts().map_err(wrong)?.facts;
    let differences = match &config {
        None => Vec::new(),
        Some(config) => {
            let said = config.to_map();
            let differs = facts.into_iter().filter_map(|f| {
                let value = said.get(f.key)?.clone();
                (value != f.value).then(|| (f.key.to_owned(), value, f.value))
            });
            differs.collect()
        }
    };
    let judged = config.clone().unwrap_or_else(|| inferred.clone());
    let specs = parameters(&inferred, checkpoint.heads());
    match checkpoint.load(&judged, m2_nn::LoadOptions::default()) {
        Ok(weights) => warnings.extend(weights.warnings),
        Err(e) => warnings.push(e.to_string()),
    }
    let bytes = tensors.values().map(|t| t.bytes().len() as u64).sum();
    let lines = lines(tensors, &specs).map_err(wrong)?;
    Ok(Inspection {
        parts: count(&lines),
        file,
        tensors: lines,
        bytes,
        inferred,
        config,
        differences,
        warnings,
    })
}

/// The tensors of a folder or file; those of safetensors stay mapped.
fn read(path: &Path) -> Result<(String, BTreeMap<String, HostTensor>), Error> {
    let is = |ext: &str| path.extension().is_some_and(|e| e == ext);
    let inside = path.join("pytorch_model.bin");
    let torch_folder = inside.is_file()
        && !path.join("model.safetensors").exists()
        && !path.join("model.safetensors.index.json").exists();
    if torch_folder || (path.is_file() && !is("safetensors") && !is("json")) {
        let file = if torch_folder { &inside } else { path };
        let tensors = torch::read_checkpoint(file)?.tensors;
        return Ok((file.display().to_string(), tensors));
    }
    let options =
        LoadOptions { map: &|_| true, finite: FiniteCheck::Never, ..LoadOptions::default() };
    let tensors = Safetensors::open(path)?.load_all(&options)?;
    Ok((path.display().to_string(), tensors))
}

fn lines(
    tensors: BTreeMap<String, HostTensor>,
    specs: &[ParamSpec],
) -> Result<Vec<TensorLine>, CheckpointError> {
    let mut known: BTreeMap<&str, &ParamSpec> = BTreeMap::new();
    for spec in specs {
        known.insert(&spec.name, spec);
        known.extend(spec.aliases.iter().map(|a| (a.as_str(), spec)));
    }
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut lines = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        // The name that the model calls it by.
        let one = BTreeMap::from([(name.clone(), tensor.clone())]);
        let mut checkpoint = Checkpoint::new(one)?;
        checkpoint.accept_bare_names();
        let spec = checkpoint.tensors().keys().next().and_then(|n| known.get(n.as_str()).copied());
        lines.push(TensorLine {
            name,
            dtype: tensor.dtype(),
            shape: tensor.shape().to_vec(),
            part: spec.map(|s| s.part),
            alias: spec.is_some_and(|s| !seen.insert(&s.name)),
            table: spec.is_some_and(|s| s.kind == Kind::Table),
        });
    }
    Ok(lines)
}

fn count(lines: &[TensorLine]) -> Vec<(Part, u64)> {
    let trained = |part: Part| {
        lines
            .iter()
            .filter(|l| l.part == Some(part) && !l.alias && !l.table)
            .map(|l| l.shape.iter().map(|&d| d as u64).product::<u64>())
            .sum()
    };
    Part::ALL.into_iter().map(|part| (part, trained(part))).filter(|(_, n)| *n > 0).collect()
}
