//! A checkpoint's tensors under any published naming, made into a model's weights.

use std::{collections::BTreeMap, sync::Arc};

use m2_ir::{DType, HostTensor};

use crate::{
    config::{Architecture, ConfigError, ModelConfig},
    finite::first_non_finite,
    params::{Heads, Init, Kind, ParamSpec, parameters},
    tables,
};

/// How strict to be about a checkpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    /// Tensors that the model has no use for are an error instead of a warning.
    pub strict: bool,
}

/// Named tensors under the names of [`parameters`], as far as prefixes and old spellings go.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    tensors: BTreeMap<String, HostTensor>,
}

/// A model's weights: every tensor of [`parameters`] under its first name, float, in its shape.
#[derive(Clone, Debug)]
pub struct Weights {
    /// The tensors by name.
    pub tensors: BTreeMap<String, HostTensor>,
    /// The configuration they were loaded under.
    pub config: ModelConfig,
    /// The heads among them.
    pub heads: Heads,
    /// What a user should know: tensors that were not used.
    pub warnings: Vec<String>,
}

/// A checkpoint that does not make a model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Two names become one.
    #[error("the checkpoint holds `{first}` and `{second}`, which name one tensor; keep one")]
    Collision {
        /// One name in the file.
        first: String,
        /// The other.
        second: String,
    },
    /// A tensor is not there.
    #[error("tensor `{name}` {shape:?} is missing from the checkpoint{hint}")]
    Missing {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// A further sentence, or nothing.
        hint: String,
    },
    /// A tensor has another shape than the configuration gives it.
    #[error("tensor `{name}` has shape {found:?}, expected {expected:?} by config.json")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape in the checkpoint.
        found: Vec<usize>,
        /// The model's shape.
        expected: Vec<usize>,
    },
    /// A tensor's elements are no real numbers.
    #[error("tensor `{name}` holds {found}, expected f32, f16, bf16 or f64")]
    DType {
        /// The tensor.
        name: String,
        /// Its element type.
        found: DType,
    },
    /// A tensor holds NaN or an infinity.
    #[error(
        "tensor `{name}` holds {found} at element {index}, expected finite numbers; the file is damaged or training diverged"
    )]
    NotFinite {
        /// The tensor.
        name: String,
        /// Row-major index of the first such element.
        index: usize,
        /// The value.
        found: f64,
    },
    /// Two copies of one shared tensor differ.
    #[error(
        "tensors `{first}` and `{second}` are one shared parameter and must be equal; they differ at element {index}"
    )]
    Alias {
        /// The first name.
        first: String,
        /// The second name.
        second: String,
        /// Row-major index of the first difference.
        index: usize,
    },
    /// Tensors nobody asked for, under `strict`.
    #[error("the checkpoint holds tensors that the model does not have: {}", names.join(", "))]
    Extra {
        /// Their names.
        names: Vec<String>,
    },
    /// The configuration and the shapes disagree.
    #[error("config.json says `{key}` is {config}, but tensor `{tensor}` {shape:?} says {weights}")]
    Contradiction {
        /// The configuration's key.
        key: String,
        /// Its value there.
        config: String,
        /// The value that the shapes give.
        weights: String,
        /// The tensor that gives it.
        tensor: String,
        /// That tensor's shape.
        shape: Vec<usize>,
    },
    /// Configuration and tensors belong to different families.
    #[error("config.json describes {}, but tensor `{tensor}` belongs to {}", config.name(), weights.name())]
    Architecture {
        /// The configuration's family.
        config: Architecture,
        /// The tensors' family.
        weights: Architecture,
        /// A tensor that shows it.
        tensor: String,
    },
    /// The shapes contradict each other, or are those of no known model.
    #[error("the checkpoint's shapes give no configuration: {0}")]
    Shapes(String),
    /// The requested length does not fit the table of positions.
    #[error("positions can only be tiled: {new} is not a multiple of the checkpoint's {old}")]
    Grow {
        /// Positions of the checkpoint.
        old: usize,
        /// Positions asked for.
        new: usize,
    },
    /// The configuration that follows from the shapes is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// What becomes of `pos_emb.z` when a model grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GrowFeatures {
    /// Repeated like the position embeddings: keeps what was trained.
    #[default]
    Tile,
    /// Built anew for the longer window.
    Rebuild,
}

impl Checkpoint {
    /// Takes the tensors of a file, strips the prefixes `model.` and `module.`, renames LayerNorms'
    /// old `gamma` and `beta`, and drops `position_ids`.
    ///
    /// # Errors
    /// When two of the file's names become one.
    pub fn new(file: BTreeMap<String, HostTensor>) -> Result<Self, CheckpointError> {
        let mut tensors = BTreeMap::new();
        let mut origins: BTreeMap<String, String> = BTreeMap::new();
        for (original, tensor) in file {
            let Some(name) = canonical(&original) else { continue };
            if let Some(first) = origins.insert(name.clone(), original.clone()) {
                return Err(CheckpointError::Collision { first, second: original });
            }
            tensors.insert(name, tensor);
        }
        Ok(Checkpoint { tensors })
    }

    /// Adds the prefix `bert.` to encoder tensors that come without it, as models saved from the
    /// bare encoder do. [`Checkpoint::load`] does it by itself for BERT only: a published M2-BERT
    /// checkpoint always has the prefix.
    pub fn accept_bare_names(&mut self) {
        let bare = |name: &String| {
            ["embeddings.", "encoder.", "pooler."].iter().any(|p| name.starts_with(p))
        };
        let names: Vec<String> = self.tensors.keys().filter(|n| bare(n)).cloned().collect();
        for name in names {
            let full = format!("bert.{name}");
            if !self.tensors.contains_key(&full)
                && let Some(tensor) = self.tensors.remove(&name)
            {
                self.tensors.insert(full, tensor);
            }
        }
    }

    /// What to say where encoder tensors seem to be missing but only lack their prefix.
    pub(crate) fn bare_hint(&self) -> &'static str {
        match self.tensors.contains_key("embeddings.word_embeddings.weight") {
            true => "; its names are without the prefix `bert.`: accept bare names to load it",
            false => "",
        }
    }

    /// The tensors by their canonical names.
    pub fn tensors(&self) -> &BTreeMap<String, HostTensor> {
        &self.tensors
    }

    /// The heads of which the checkpoint holds any tensor.
    pub fn heads(&self) -> Heads {
        let any = |prefix: &str| self.tensors.keys().any(|n| n.starts_with(prefix));
        Heads {
            mlm: any("cls.predictions."),
            pooler: any("bert.pooler.") || any("pooler."),
            classifier: any("classifier."),
        }
    }

    /// The weights of the model that `config` describes, with the heads the checkpoint has.
    ///
    /// # Errors
    /// When a tensor is missing, has another shape or no float type, copies of a shared tensor
    /// differ, the shapes contradict the configuration, or (`strict`) tensors are left over.
    pub fn load(
        mut self,
        config: &ModelConfig,
        options: LoadOptions,
    ) -> Result<Weights, CheckpointError> {
        if config.architecture == Architecture::Bert {
            self.accept_bare_names();
        }
        let config = self.check_against(config)?;
        let heads = self.heads();
        let mut rest = self.tensors;
        let mut tensors = BTreeMap::new();
        for spec in parameters(&config, heads) {
            let tensor = take(&mut rest, &spec, &config)?;
            tensors.insert(spec.name, tensor);
        }
        let names: Vec<String> = rest.into_keys().collect();
        if options.strict && !names.is_empty() {
            return Err(CheckpointError::Extra { names });
        }
        let warning = |name: &String| format!("tensor `{name}` is not part of the model; ignored");
        let warnings = names.iter().map(warning).collect();
        Ok(Weights { tensors, config, heads, warnings })
    }
}

impl Weights {
    /// Makes a model for longer texts: position embeddings are tiled, `z` tiled or rebuilt, `t`
    /// rebuilt. Where `positions` is the model's own length nothing changes.
    ///
    /// # Errors
    /// When `positions` is not a multiple of the model's, or beyond the limit.
    pub fn grow(
        &mut self,
        positions: usize,
        features: GrowFeatures,
    ) -> Result<(), CheckpointError> {
        let old = self.config.max_position_embeddings;
        if positions == old {
            return Ok(());
        }
        if positions < old || !positions.is_multiple_of(old) {
            return Err(CheckpointError::Grow { old, new: positions });
        }
        let grown = self.config.with_positions(positions)?;
        for spec in parameters(&grown, self.heads) {
            let Some(tensor) = self.tensors.get_mut(&spec.name) else { continue };
            if tensor.shape() == spec.shape {
                continue;
            }
            *tensor = match spec.init {
                Init::PositionFeatures if features == GrowFeatures::Tile => tile(tensor, &spec),
                Init::PositionFeatures | Init::Times | Init::DecayRates => table(&spec, &grown),
                Init::Constant(_) | Init::Normal(_) | Init::Uniform(_) => tile(tensor, &spec),
            };
        }
        self.config = grown;
        Ok(())
    }

    /// Checks that every number is finite.
    ///
    /// # Errors
    /// Names the first tensor that holds NaN or an infinity.
    pub fn check_finite(&self) -> Result<(), CheckpointError> {
        self.tensors.iter().try_for_each(|(name, tensor)| check_finite(name, tensor))
    }
}

/// The tensors as the public reference saves them: shared ones under each of their names, and
/// `position_ids` (1, N) where the model has position embeddings. A strict loader asks for all of it.
///
/// `tensors` holds those of [`parameters`] under their first names. Copies share their bytes in memory.
pub fn state_dict(
    config: &ModelConfig,
    heads: Heads,
    mut tensors: BTreeMap<String, HostTensor>,
) -> BTreeMap<String, HostTensor> {
    for spec in parameters(config, heads) {
        let Some(tensor) = tensors.get(&spec.name).cloned() else { continue };
        tensors.extend(spec.aliases.into_iter().map(|alias| (alias, tensor.clone())));
    }
    if config.use_positional_encodings {
        let n = config.max_position_embeddings;
        let ids = Arc::new((0..n as i64).flat_map(i64::to_le_bytes).collect::<Vec<u8>>());
        if let Ok(ids) = HostTensor::new(DType::I64, vec![1, n], ids) {
            tensors.insert("bert.embeddings.position_ids".into(), ids);
        }
    }
    tensors
}

/// Checks that every number of a tensor is finite.
///
/// # Errors
/// Names the tensor and its first element that is not.
pub fn check_finite(name: &str, tensor: &HostTensor) -> Result<(), CheckpointError> {
    match first_non_finite(tensor.dtype(), tensor.bytes()) {
        None => Ok(()),
        Some(index) => {
            let found = tensor.to_f64()[index];
            Err(CheckpointError::NotFinite { name: name.to_owned(), index, found })
        }
    }
}

/// A file's name for a tensor without what trainers put before it; `None` for `position_ids`.
fn canonical(name: &str) -> Option<String> {
    let mut rest = name;
    while let Some(inner) = rest.strip_prefix("model.").or_else(|| rest.strip_prefix("module.")) {
        rest = inner;
    }
    if rest == "position_ids" || rest.ends_with(".position_ids") {
        return None;
    }
    let old = [(".gamma", ".weight"), (".beta", ".bias")];
    let renamed =
        old.iter().find_map(|(old, new)| Some(format!("{}{new}", rest.strip_suffix(old)?)));
    Some(renamed.unwrap_or_else(|| rest.to_owned()))
}

/// Takes a tensor and its aliases out of `rest`.
fn take(
    rest: &mut BTreeMap<String, HostTensor>,
    spec: &ParamSpec,
    config: &ModelConfig,
) -> Result<HostTensor, CheckpointError> {
    let mut found: Option<(String, HostTensor)> = None;
    for name in std::iter::once(&spec.name).chain(&spec.aliases) {
        let Some(tensor) = rest.remove(name) else { continue };
        check_tensor(name, &tensor, spec)?;
        match &found {
            None => found = Some((name.clone(), tensor)),
            Some((first, kept)) => {
                if let Some(index) = first_difference(kept, &tensor) {
                    let (first, second) = (first.clone(), name.clone());
                    return Err(CheckpointError::Alias { first, second, index });
                }
            }
        }
    }
    match (found, spec.kind) {
        (Some((_, tensor)), _) => Ok(tensor),
        (None, Kind::Table) => Ok(table(spec, config)),
        (None, Kind::Param) => Err(CheckpointError::Missing {
            name: spec.name.clone(),
            shape: spec.shape.clone(),
            hint: missing_hint(rest),
        }),
    }
}

fn missing_hint(rest: &BTreeMap<String, HostTensor>) -> String {
    if rest.keys().any(|n| n.contains(".fast_filter.")) {
        return "; the checkpoint has the parameters of `use_flash_mm`, which is another model"
            .into();
    }
    String::new()
}

fn check_tensor(name: &str, tensor: &HostTensor, spec: &ParamSpec) -> Result<(), CheckpointError> {
    if tensor.shape() != spec.shape {
        return Err(CheckpointError::Shape {
            name: name.to_owned(),
            found: tensor.shape().to_vec(),
            expected: spec.shape.clone(),
        });
    }
    if !tensor.dtype().is_float() {
        return Err(CheckpointError::DType { name: name.to_owned(), found: tensor.dtype() });
    }
    Ok(())
}

fn first_difference(a: &HostTensor, b: &HostTensor) -> Option<usize> {
    if a.dtype() == b.dtype() && a.bytes() == b.bytes() {
        return None;
    }
    let (a, b) = (a.to_f64(), b.to_f64());
    a.iter().zip(&b).position(|(a, b)| a.to_bits() != b.to_bits())
}

/// Builds a table that is a function of the configuration alone.
fn table(spec: &ParamSpec, config: &ModelConfig) -> HostTensor {
    let values = match spec.init {
        Init::Times => tables::times(config.max_position_embeddings),
        Init::DecayRates => tables::decay_rates(config.hidden_size),
        Init::PositionFeatures => {
            tables::position_features(config.max_position_embeddings, config.mixer.emb_dim)
        }
        Init::Constant(v) => vec![v as f32; spec.shape.iter().product()],
        Init::Normal(_) | Init::Uniform(_) => unreachable!("a drawn tensor is no table"),
    };
    HostTensor::from_f32(&spec.shape, &values)
}

/// Repeats a tensor's rows until it has the shape of `spec`, a multiple of its own.
fn tile(tensor: &HostTensor, spec: &ParamSpec) -> HostTensor {
    let times = spec.shape.iter().product::<usize>() / tensor.len().max(1);
    let bytes = Arc::new(tensor.bytes().repeat(times));
    HostTensor::new(tensor.dtype(), spec.shape.clone(), bytes).unwrap_or_else(|_| tensor.clone())
}

#[cfg(test)]
mod tests;
