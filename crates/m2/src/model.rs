//! A model that is ready to run: configuration, weights, tokenizer, and a small cache of programs.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use m2_data::Tokenizer;
use m2_ir::{
    Dim, Graph, HostTensor, Parameters, Plan, Sizes, passes,
    plan::{Fusion, Place, lower},
};
use m2_nn::{Heads, ModelConfig, Weights, models, presets::Preset};

use crate::{Device, DeviceProgram, DeviceRun, DeviceWeights, Error, Settings};

/// The most programs that are kept.
const PROGRAMS: usize = 8;
/// The most bytes of buffers and spectra that kept programs may hold.
const PROGRAM_BYTES: u64 = 1 << 30;

/// Named tensors of a checkpoint.
type Tensors = BTreeMap<String, HostTensor>;
/// Reads the weights again, for a program that needs one that has been dropped.
type Reload = dyn Fn() -> Result<Tensors, Error> + Send + Sync;

/// A model on a device.
pub struct Model {
    name: String,
    config: ModelConfig,
    heads: Heads,
    settings: Settings,
    tokenizer: Option<Tokenizer>,
    warnings: Vec<String>,
    graph: Graph,
    by_class: bool,
    device: Device,
    weights: DeviceWeights,
    host: HostWeights,
    programs: Vec<Cached>,
}

/// What a model is made of.
pub struct Parts {
    /// What messages call it.
    pub name: String,
    /// Weights, checked against their configuration.
    pub weights: Weights,
    /// The tokenizer, if there is one: a model without runs on ids alone.
    pub tokenizer: Option<Tokenizer>,
    /// What the folder says about texts.
    pub settings: Settings,
    /// Reads the weights again. With it, the host's copies are dropped once the device has its own.
    pub reload: Option<Box<Reload>>,
}

struct Cached {
    class: Sizes,
    outputs: Vec<String>,
    program: DeviceProgram,
    bytes: u64,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Model {
    /// Puts a model together.
    ///
    /// # Errors
    /// When the sizes do not fit together, or the tokenizer has ids that the model lacks.
    pub fn new(parts: Parts, device: Device) -> Result<Self, Error> {
        let Parts { name, weights, tokenizer, settings, reload } = parts;
        let Weights { tensors, config, heads, warnings } = weights;
        if let Some(t) = &tokenizer
            && t.vocab_size() > config.vocab_size
        {
            return Err(Error::Model {
                model: name,
                what: format!(
                    "its tokenizer has {} tokens, but its word embeddings have {} rows; it belongs \
                     to another model",
                    t.vocab_size(),
                    config.vocab_size
                ),
            });
        }
        let graph = models::graph(&config, heads)?;
        let spans = |n: &m2_ir::Node| n.ty.shape.contains(&Dim::Span);
        Ok(Model {
            name,
            by_class: graph.nodes().iter().any(spans),
            weights: device.weights(),
            host: HostWeights { tensors: tensors.into(), reload, failure: None.into() },
            config,
            heads,
            settings,
            tokenizer,
            warnings,
            graph,
            device,
            programs: Vec::new(),
        })
    }

    /// A model of a configuration's shape with weights drawn from a seed: it computes as much as a
    /// trained one. `vocabulary` holds a token a line.
    ///
    /// # Errors
    /// When there is no such configuration, or the vocabulary cannot be used.
    pub fn seeded(
        preset: &str,
        length: usize,
        seed: u32,
        vocabulary: &str,
        device: Device,
    ) -> Result<Self, Error> {
        let found = Preset::find(preset).ok_or_else(|| Error::Model {
            model: preset.to_owned(),
            what: "there is no such configuration".to_owned(),
        })?;
        let error = |source| Error::Config { file: preset.to_owned(), source };
        let config = found.for_length(length).map_err(error)?;
        let heads = found.heads();
        let tokenizer = Tokenizer::from_vocab(vocabulary)
            .map_err(|source| Error::Tokenizer { file: preset.to_owned(), source })?;
        let tensors = m2_nn::init::init(&config, heads, seed);
        let parts = Parts {
            name: preset.to_owned(),
            weights: Weights { tensors, config, heads, warnings: Vec::new() },
            tokenizer: Some(tokenizer),
            settings: Settings::default(),
            reload: None,
        };
        Model::new(parts, device)
    }

    /// What messages call it: its folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Its heads.
    pub fn heads(&self) -> Heads {
        self.heads
    }

    /// What its folder says about texts.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where it runs.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What a user should know: tensors that were not used.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Its tokenizer.
    ///
    /// # Errors
    /// When it has none.
    pub fn tokenizer(&self) -> Result<&Tokenizer, Error> {
        self.tokenizer.as_ref().ok_or_else(|| {
            self.error("it has neither tokenizer.json nor vocab.txt; add one of them, or give ids")
        })
    }

    /// The token that rows are padded with.
    pub fn pad_id(&self) -> u32 {
        self.config.pad_token_id as u32
    }

    /// N: the longest row it computes.
    pub fn max_positions(&self) -> usize {
        self.config.max_position_embeddings
    }

    /// Whether a row costs as much as its class of lengths, as with long convolutions.
    pub fn costs_by_class(&self) -> bool {
        self.by_class
    }

    /// The program for these sizes if it is the one that ran last.
    pub(crate) fn latest(&self, sizes: Sizes, outputs: &[&str]) -> Option<&DeviceProgram> {
        let class = self.class(sizes);
        let latest = self.programs.last().filter(|c| c.class == class && c.outputs == outputs);
        latest.map(|c| &c.program)
    }

    /// Reads an output of a run of the program that ran last.
    pub(crate) async fn read(&self, run: &DeviceRun, output: usize) -> Result<HostTensor, Error> {
        let latest = self.programs.last().ok_or(Error::OtherDevice)?;
        self.device.read(&latest.program, run, output).await
    }

    /// Opens the device again if this error says that it was lost; whether it did. Weights and plans
    /// are made again from what the host has.
    pub(crate) async fn heal(&mut self, error: &Error) -> Result<bool, Error> {
        let lost = self.device.heal(error).await?;
        if lost {
            self.programs.clear();
            self.weights = self.device.weights();
        }
        Ok(lost)
    }

    /// The device with a program for these sizes, which is made if need be.
    pub(crate) async fn program(
        &mut self,
        sizes: Sizes,
        outputs: &[&str],
    ) -> Result<(&Device, &mut DeviceProgram), Error> {
        self.make(sizes, outputs).await?;
        // The most recent stands last.
        let latest = self.programs.last_mut().ok_or(Error::OtherDevice)?;
        Ok((&self.device, &mut latest.program))
    }

    async fn make(&mut self, sizes: Sizes, outputs: &[&str]) -> Result<(), Error> {
        let class = self.class(sizes);
        let same = |c: &Cached| c.class == class && c.outputs == outputs;
        if let Some(at) = self.programs.iter().position(same) {
            self.programs[at..].rotate_left(1);
            return Ok(());
        }
        let plan = self.plan(class, outputs)?;
        let bytes = held_bytes(&plan);
        let held = |programs: &[Cached]| programs.iter().map(|c| c.bytes).sum::<u64>();
        while !self.programs.is_empty()
            && (self.programs.len() >= PROGRAMS || held(&self.programs) + bytes > PROGRAM_BYTES)
        {
            self.programs.remove(0);
        }
        let loaded = self.device.load(plan, &self.host, &mut self.weights).await;
        if let Some(failure) = lock(&self.host.failure).take() {
            return Err(failure);
        }
        let program = loaded?;
        self.host.release();
        let outputs = outputs.iter().map(|&o| o.to_owned()).collect();
        self.programs.push(Cached { class, outputs, program, bytes });
        Ok(())
    }

    /// The plan for batches of at most these sizes.
    ///
    /// # Errors
    /// When the model has no value of a name, or the plan exceeds a limit of the device.
    pub fn plan(&self, sizes: Sizes, outputs: &[&str]) -> Result<Plan, Error> {
        let graph = self.graph.with_outputs(outputs).map_err(|name| {
            self.error(&format!("it has no value `{name}`; its head is not in the checkpoint"))
        })?;
        let graph = passes::dead_code(&graph)?;
        Ok(lower(&graph, &self.device.target(), sizes, Fusion::Full)?)
    }

    /// The class that serves these sizes. Where nothing is computed by the class of the longest
    /// row, one class serves all lengths.
    fn class(&self, sizes: Sizes) -> Sizes {
        let class = sizes.class();
        match self.by_class {
            true => class,
            false => {
                let most = self.max_positions().next_power_of_two();
                Sizes { span: most.min(class.tokens).max(class.span), ..class }
            }
        }
    }

    /// A digest of the configuration and of parts of every weight: equal for equal models, and
    /// different for all that differ in practice.
    ///
    /// # Errors
    /// When the weights have to be read again and cannot.
    pub fn fingerprint(&self) -> Result<String, Error> {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        hash.update(self.config.to_json());
        for (name, tensor) in self.host.tensors()?.iter() {
            let bytes = tensor.bytes();
            hash.update(name);
            hash.update(format!("{tensor:?}"));
            hash.update(&bytes[..bytes.len().min(1024)]);
            hash.update(&bytes[bytes.len() - bytes.len().min(1024)..]);
        }
        Ok(hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect())
    }

    /// Says why a run has produced NaN or infinity.
    pub(crate) fn not_finite(&self) -> Error {
        let found = self.host.tensors().and_then(|tensors| {
            tensors
                .iter()
                .try_for_each(|(name, t)| m2_nn::checkpoint::check_finite(name, t))
                .map_err(|e| Error::checkpoint(self.name.clone(), e))
        });
        found.err().unwrap_or_else(|| {
            self.error("the result is not finite although its weights are: they are too large")
        })
    }

    pub(crate) fn error(&self, what: &str) -> Error {
        Error::Model { model: self.name.clone(), what: what.to_owned() }
    }
}

/// Bytes that a program holds besides the weights.
fn held_bytes(plan: &Plan) -> u64 {
    let frozen = plan.graph.iter().filter(|(id, _)| plan.places[id.index()] == Place::Frozen);
    plan.buffers.iter().sum::<u64>() + frozen.map(|(id, _)| plan.bytes(id)).sum::<u64>()
}

/// The host's copies of the weights, dropped once the device has its own.
struct HostWeights {
    tensors: Mutex<Tensors>,
    reload: Option<Box<Reload>>,
    failure: Mutex<Option<Error>>,
}

impl HostWeights {
    /// The tensors, read again if they were dropped.
    fn tensors(&self) -> Result<MutexGuard<'_, Tensors>, Error> {
        let mut tensors = lock(&self.tensors);
        if tensors.is_empty()
            && let Some(reload) = &self.reload
        {
            *tensors = reload()?;
        }
        Ok(tensors)
    }

    fn release(&self) {
        if self.reload.is_some() {
            lock(&self.tensors).clear();
        }
    }
}

impl Parameters for HostWeights {
    fn get(&self, name: &str) -> Option<HostTensor> {
        match self.tensors() {
            Ok(tensors) => tensors.get(name).cloned(),
            Err(e) => {
                lock(&self.failure).replace(e);
                None
            }
        }
    }
}

/// Whoever panicked while it held a lock left whole values behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
