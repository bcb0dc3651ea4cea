//! Timing a model's forward pass, in the way it is compared with other engines: ids in, hidden
//! states or vectors out, weights and spectra ready.

mod case;
mod op;
mod start;
#[cfg(feature = "gpu")]
mod suite;

use std::{
    collections::BTreeMap,
    iter,
    path::Path,
    time::{Duration, Instant},
};

use m2_cpu::{Pool, peak::peak};
use m2_ir::{
    Batch, Graph, HostTensor, Plan, Sizes, Text, passes,
    plan::{Fusion, lower},
};
use m2_nn::{
    Checkpoint, Heads, ModelConfig,
    models::{self, outputs},
};

use crate::{
    Device, DeviceProgram, DeviceRun, DeviceWeights, Error,
    files::safetensors::{LoadOptions, Safetensors},
    fresh, read_config,
};

pub use case::{OPS, OpCase, OpInfo, case};
pub use op::{Ceilings, OpRun, ceilings, interleave, median, shortened};
pub use start::{Start, start};
#[cfg(feature = "gpu")]
pub use suite::{SuiteRow, suite};

/// The fewest and the most rounds where none are asked for, and the time that they should take.
const ROUNDS: (usize, usize) = (5, 51);
const TIME: Duration = Duration::from_secs(2);
/// How long the machine's ceiling is measured.
const PEAK_TIME: Duration = Duration::from_millis(150);

/// What a forward pass computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// The encoder's last hidden state, (tokens, H).
    #[default]
    Hidden,
    /// The pooler's vector of each text, (texts, H); the last layer then computes what it needs.
    Pooled,
}

/// Weights in memory.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Tensors by name.
    pub tensors: BTreeMap<String, HostTensor>,
    /// Their configuration.
    pub config: ModelConfig,
    /// The heads among them.
    pub heads: Heads,
}

impl Loaded {
    /// Weights with a pooler, drawn from a seed by so many threads.
    pub fn fresh(config: ModelConfig, seed: u32, threads: usize) -> Self {
        let heads = Heads::POOLER;
        Loaded { tensors: fresh::weights(&config, heads, seed, threads, &|_| ()), config, heads }
    }

    /// The weights of a folder.
    ///
    /// # Errors
    /// When they cannot be read, or contradict the folder's configuration.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let config = read_config(folder)?;
        let tensors = Safetensors::open(folder)?.load_all(&LoadOptions::default())?;
        let weights = Checkpoint::new(tensors)
            .and_then(|c| c.load(&config, m2_nn::LoadOptions::default()))
            .map_err(|e| Error::checkpoint(folder.display().to_string(), e))?;
        Ok(Loaded { tensors: weights.tensors, config: weights.config, heads: weights.heads })
    }
}

/// A model that is about to be timed.
pub struct Forward<'a> {
    device: &'a Device,
    loaded: &'a Loaded,
    graph: Graph,
    weights: DeviceWeights,
    profile: bool,
}

/// The rounds of one length.
#[derive(Clone, Debug)]
pub struct Timing {
    /// Tokens of a text.
    pub length: usize,
    /// Texts of a batch.
    pub batch: usize,
    /// Seconds of each round, sorted.
    pub seconds: Vec<f64>,
    /// Operations of one forward pass at the true length.
    pub flops: u64,
    /// The machine's ceiling in GFLOP/s, measured beside the rounds; `None` where it is not known.
    pub peak: Option<f64>,
    /// What was computed, without gaps between texts.
    pub values: HostTensor,
    /// What a GPU counted.
    pub counts: Option<GpuCounts>,
    /// Each dispatch of a GPU by its own clock, where that was asked for.
    pub dispatches: Vec<Dispatched>,
}

/// One dispatch of a GPU.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatched {
    /// Kernel and node.
    pub label: String,
    /// Seconds.
    pub seconds: f64,
    /// Operations at the class.
    pub flops: u64,
}

/// What a GPU's recorder counted in one round, and what its buffers take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuCounts {
    /// Dispatches with work.
    pub dispatches: u64,
    /// Bytes along the batch's tokens that dispatches were given, each part once a dispatch.
    pub activation_bytes: u64,
    /// Submissions.
    pub submissions: u64,
    /// Buffers, bind groups and pipelines made during the rounds that were timed.
    pub objects_made: u64,
    /// Bytes of all buffers as planned before they were made.
    pub planned_bytes: u64,
    /// Bytes of all buffers that live after the rounds.
    pub live_bytes: u64,
}

/// Token `i` of every text: 1000 + (7·i mod 20000), modulo the vocabulary.
pub fn token(i: usize, vocabulary: usize) -> u32 {
    ((1000 + 7 * i % 20_000) % vocabulary.max(1)) as u32
}

impl<'a> Forward<'a> {
    /// Prepares a model on a device.
    ///
    /// # Errors
    /// When the model has no such output.
    pub fn new(device: &'a Device, loaded: &'a Loaded, output: Output) -> Result<Self, Error> {
        let name = match output {
            Output::Hidden => outputs::HIDDEN,
            Output::Pooled => outputs::POOLED_CLS,
        };
        let graph =
            models::graph(&loaded.config, loaded.heads)?.with_outputs(&[name]).map_err(|name| {
                Error::Model {
                    model: "the model".into(),
                    what: format!("it has no value `{name}`; its checkpoint holds no pooler"),
                }
            })?;
        let graph = passes::dead_code(&graph)?;
        Ok(Forward { weights: device.weights(), device, loaded, graph, profile: false })
    }

    /// Times each dispatch of a GPU too, in one more pass.
    pub fn with_profile(mut self, profile: bool) -> Self {
        self.profile = profile;
        self
    }

    /// Times `rounds` passes over `batch` texts of `length` tokens each, after one that is not
    /// timed; without `rounds` as many as two seconds hold.
    ///
    /// # Errors
    /// When the texts are too long for the model or too many for the device.
    pub async fn time(
        &mut self,
        length: usize,
        batch: usize,
        rounds: Option<usize>,
    ) -> Result<Timing, Error> {
        let config = &self.loaded.config;
        let ids: Vec<u32> = (0..length).map(|i| token(i, config.vocab_size)).collect();
        let text = Text { ids: &ids, token_types: None, valid: length };
        let data = Batch::from_texts(&vec![text; batch])?;
        let plan = lower(&self.graph, &self.device.target(), data.sizes().class(), Fusion::Full)?;
        let flops = true_flops(&plan, length, batch);
        let mut program = self.device.load(plan, &self.loaded.tensors, &mut self.weights).await?;
        let mut ceiling = ceiling(self.device);
        self.round(&mut program, &data).await?;
        let made = objects(self.device);
        let fitting =
            |round: f64| ((TIME.as_secs_f64() / round) as usize).clamp(ROUNDS.0, ROUNDS.1);
        let mut seconds = Vec::new();
        let last = loop {
            let (time, run) = self.round(&mut program, &data).await?;
            seconds.push(time);
            if seconds.len() >= rounds.unwrap_or_else(|| fitting(seconds[0])) {
                break run;
            }
        };
        // The clock's frequency drifts: the better of both measurements is the ceiling.
        ceiling = ceiling.zip(self::ceiling(self.device)).map(|(a, b)| a.max(b));
        seconds.sort_by(f64::total_cmp);
        let values = without_gaps(&self.device.read(&program, &last, 0).await?, &data);
        let counts = counts(self.device, &program, made);
        let dispatches = self.dispatches(&program, &data).await?;
        Ok(Timing { length, batch, seconds, flops, peak: ceiling, values, counts, dispatches })
    }
}

impl Forward<'_> {
    /// One pass: its seconds, and what reads its outputs.
    async fn round(
        &self,
        program: &mut DeviceProgram,
        data: &Batch,
    ) -> Result<(f64, DeviceRun), Error> {
        let start = Instant::now();
        let run = self.device.run(program, data).await?;
        self.device.wait()?;
        Ok((start.elapsed().as_secs_f64(), run))
    }

    #[cfg_attr(not(feature = "gpu"), expect(unused_variables, reason = "only GPUs dispatch"))]
    async fn dispatches(
        &self,
        program: &DeviceProgram,
        data: &Batch,
    ) -> Result<Vec<Dispatched>, Error> {
        match (self.device, program) {
            #[cfg(feature = "gpu")]
            (Device::Gpu(gpu), DeviceProgram::Gpu(program)) if self.profile => {
                let timed = gpu.backend().profile(program, data).await?.into_iter();
                Ok(timed
                    .map(|t| Dispatched { label: t.label, seconds: t.seconds, flops: t.flops })
                    .collect())
            }
            _ => Ok(Vec::new()),
        }
    }
}

impl Timing {
    /// The median of the rounds in seconds.
    pub fn median(&self) -> f64 {
        let n = self.seconds.len();
        (self.seconds[n / 2] + self.seconds[(n - 1) / 2]) / 2.0
    }

    /// The fastest round in seconds.
    pub fn min(&self) -> f64 {
        self.seconds[0]
    }

    /// Tokens per second, by the median.
    pub fn tokens_per_second(&self) -> f64 {
        (self.length * self.batch) as f64 / self.median()
    }

    /// Operations per second in GFLOP/s, by the median.
    pub fn gflops(&self) -> f64 {
        self.flops as f64 / self.median() * 1e-9
    }

    /// Share of the machine's ceiling, by the median.
    pub fn share_of_peak(&self) -> Option<f64> {
        self.peak.map(|peak| self.gflops() / peak)
    }
}

/// Operations at the true sizes, not those of the class that the plan serves.
fn true_flops(plan: &Plan, length: usize, batch: usize) -> u64 {
    let class = Sizes { tokens: length * batch, rows: batch, asked: 0, span: length };
    let exact = Plan { class, ..plan.clone() };
    exact.costs().iter().map(|c| c.flops).sum()
}

/// What the threads and instructions of a CPU can do at most, in GFLOP/s.
fn ceiling(device: &Device) -> Option<f64> {
    match device {
        Device::Cpu(cpu) => Some(peak(&Pool::new(cpu.threads()), cpu.isa(), PEAK_TIME)),
        #[cfg(feature = "gpu")]
        Device::Gpu(_) => None,
    }
}

/// Objects of the device made so far.
fn objects(device: &Device) -> u64 {
    match device {
        Device::Cpu(_) => 0,
        #[cfg(feature = "gpu")]
        Device::Gpu(gpu) => {
            let made = gpu.backend().created();
            made.buffers + made.bind_groups + made.pipelines
        }
    }
}

#[cfg_attr(not(feature = "gpu"), expect(unused_variables, reason = "only GPUs dispatch"))]
fn counts(device: &Device, program: &DeviceProgram, made: u64) -> Option<GpuCounts> {
    match (device, program) {
        #[cfg(feature = "gpu")]
        (Device::Gpu(gpu), DeviceProgram::Gpu(program)) => {
            let recorded = program.recorded()?;
            Some(GpuCounts {
                dispatches: recorded.dispatches,
                activation_bytes: recorded.activation_bytes,
                submissions: recorded.submissions,
                objects_made: objects(device) - made,
                planned_bytes: program.memory().total(),
                live_bytes: gpu.backend().live_bytes(),
            })
        }
        _ => None,
    }
}

/// The rows of the texts alone, where the batch aligns their starts.
fn without_gaps(values: &HostTensor, batch: &Batch) -> HostTensor {
    let data = values.to_f32();
    let rows = values.shape().first().copied().unwrap_or(1).max(1);
    let width = data.len() / rows;
    if rows != batch.rows().tokens() {
        return HostTensor::from_f32(&[rows, width], &data);
    }
    let tokens = batch.rows().rows().iter().flat_map(|row| {
        let at = row.offset as usize;
        iter::repeat(at).zip(0..row.length as usize).map(|(at, i)| at + i)
    });
    let kept: Vec<f32> =
        tokens.flat_map(|t| data[t * width..(t + 1) * width].iter().copied()).collect();
    HostTensor::from_f32(&[kept.len() / width.max(1), width], &kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use m2_nn::{Heads, ModelConfig};

    fn small() -> Loaded {
        let text = r#"{"monarch_mixer_sequence_mixing": true, "vocab_size": 64, "hidden_size": 16,
            "intermediate_size": 32, "num_hidden_layers": 2, "max_position_embeddings": 40}"#;
        let config = ModelConfig::from_json(text).unwrap();
        let tensors = m2_nn::init::init(&config, Heads::POOLER, 1);
        Loaded { tensors, config, heads: Heads::POOLER }
    }

    #[test]
    fn values_are_those_of_the_texts_and_work_grows_with_length() {
        let (device, loaded) = (Device::cpu(1), small());
        let mut forward = Forward::new(&device, &loaded, Output::Hidden).unwrap();
        let one = pollster::block_on(forward.time(5, 1, Some(3))).unwrap();
        assert_eq!(one.values.shape(), [5, 16]);
        assert_eq!(one.seconds.len(), 3);
        assert!(one.min() <= one.median() && one.share_of_peak().is_some_and(|s| s > 0.0));
        let three = pollster::block_on(forward.time(5, 3, Some(1))).unwrap();
        assert_eq!(three.values.shape(), [15, 16]);
        let (a, b) = (one.values.to_f32(), three.values.to_f32());
        for row in b.chunks_exact(5 * 16) {
            assert!(row.iter().zip(&*a).all(|(x, y)| (x - y).abs() < 1e-5));
        }
        assert_eq!(three.flops, 3 * one.flops);
        let longer = pollster::block_on(forward.time(7, 1, Some(1))).unwrap();
        assert!(longer.flops > one.flops);
        let mut pooled = Forward::new(&device, &loaded, Output::Pooled).unwrap();
        let pooled = pollster::block_on(pooled.time(5, 3, Some(1))).unwrap();
        assert_eq!(pooled.values.shape(), [3, 16]);
        assert!(pooled.values.to_f32().iter().all(|v| v.is_finite() && v.abs() <= 1.0));
    }

    #[test]
    fn tokens_stay_inside_the_vocabulary() {
        assert_eq!([token(0, 30_528), token(1, 30_528), token(2858, 30_528)], [1000, 1007, 1006]);
        assert!((0..5000).all(|i| token(i, 64) < 64));
    }
}
