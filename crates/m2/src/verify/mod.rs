//! Golden folders: a model's tensors as the public reference computed them, compared with ours.

mod compare;
#[cfg(not(target_arch = "wasm32"))]
mod folder;
mod map;
mod report;

use std::collections::BTreeMap;

use m2_ir::{
    Batch, Graph, HostTensor, RowTable, Text,
    plan::{Fusion, lower},
};
use m2_nn::{Architecture, Checkpoint, LoadOptions, ModelConfig, Weights, models};

use crate::{Device, Error};

pub use compare::Limits;
pub use report::{Line, Report};

use map::{Arrange, Source};

/// Named tensors.
pub type Tensors = BTreeMap<String, HostTensor>;

/// The contents of a golden folder.
#[derive(Debug)]
pub struct Golden {
    /// The weights, checked against `config.json`.
    pub weights: Weights,
    /// `io.safetensors`: inputs and float32 outputs.
    pub io: Tensors,
    /// `io_f64.safetensors`, where there is one.
    pub io_f64: Option<Tensors>,
    /// What float32 rounding alone costs the reference, by tensor of `io.safetensors`.
    pub err_abs: BTreeMap<String, f64>,
}

/// Which arithmetic is verified.
pub enum Arithmetic<'a> {
    /// f32 on a device, against `io.safetensors`.
    F32(&'a Device),
    /// f64 in the plain executor, against `io_f64.safetensors`.
    F64,
}

/// `err_abs` of a folder's `io.safetensors` in the tree's `manifest.json`, by tensor; empty where
/// it does not list the file.
///
/// # Errors
/// When the manifest is not JSON.
pub fn measured_errors(manifest: &str, folder: &str) -> Result<BTreeMap<String, f64>, Error> {
    let manifest: serde_json::Value = serde_json::from_str(manifest)
        .map_err(|e| Error::Golden(format!("manifest.json: not JSON: {e}")))?;
    let file = manifest.get(format!("{folder}/io.safetensors"));
    let tensors = file.and_then(|f| f.get("tensors")).and_then(|t| t.as_object());
    Ok(tensors
        .into_iter()
        .flatten()
        .filter_map(|(name, t)| Some((name.clone(), t.get("err_abs")?.as_f64()?)))
        .collect())
}

impl Golden {
    /// Takes the parts of a folder: `config.json`, `model.safetensors`, `io.safetensors`.
    ///
    /// # Errors
    /// When the configuration or the weights cannot be used.
    pub fn new(config: &str, model: Tensors, io: Tensors) -> Result<Self, Error> {
        let config = ModelConfig::from_json(config)
            .map_err(|source| Error::Config { file: "config.json".into(), source })?;
        let weights = Checkpoint::new(model)
            .and_then(|c| c.load(&config, LoadOptions::default()))
            .and_then(|w| w.check_finite().map(|()| w))
            .map_err(|e| Error::checkpoint("model.safetensors".into(), e))?;
        Ok(Golden { weights, io, io_f64: None, err_abs: BTreeMap::new() })
    }

    /// Compares every float output with the reference's.
    ///
    /// The plan that users get is run for the model's own outputs, the decomposed plan for every
    /// named tensor: to keep a tensor alive would forbid the very fusion that is to be tested.
    ///
    /// # Errors
    /// When an input is missing or a plan cannot run. A tensor that differs is no error but a line
    /// of the report.
    pub async fn verify(&self, how: Arithmetic<'_>, skip: &[String]) -> Result<Report, Error> {
        let batch = self.batch()?;
        let expected = match (&how, &self.io_f64) {
            (Arithmetic::F32(_), _) => &self.io,
            (Arithmetic::F64, Some(io)) => io,
            (Arithmetic::F64, None) => {
                return Err(Error::Golden("there is no io_f64.safetensors to compare with".into()));
            }
        };
        let layers = self.weights.config.num_hidden_layers;
        let graph = models::graph(&self.weights.config, self.weights.heads)?;
        let parts = m2_ir::passes::decompose_all(&graph)?;
        let mut report = Report::default();
        let mut wanted: Vec<(&String, Source)> = Vec::new();
        for (name, tensor) in expected {
            if !tensor.dtype().is_float() {
                continue;
            }
            if map::is_loss(name) || skip.contains(name) {
                report.excepted.push(name.clone());
                continue;
            }
            match map::source(name, &self.weights.config) {
                // A head that the model lacks makes no value.
                Some(s) if parts.find(&s.node).is_some() => wanted.push((name, s)),
                _ => report.unknown.push(name.clone()),
            }
        }
        let own: Vec<_> = wanted
            .iter()
            .filter(|(name, _)| map::is_model_output(name, layers))
            .map(|(name, s)| (*name, s.clone()))
            .collect();
        for (fusion, part) in [(Fusion::Full, own), (Fusion::None, wanted)] {
            self.compare(&graph, &batch, &how, fusion, &part, expected, &mut report).await?;
        }
        Ok(report)
    }

    #[expect(clippy::too_many_arguments, reason = "private; a struct for one call hides nothing")]
    async fn compare(
        &self,
        graph: &Graph,
        batch: &Batch,
        how: &Arithmetic<'_>,
        fusion: Fusion,
        wanted: &[(&String, Source)],
        expected: &Tensors,
        report: &mut Report,
    ) -> Result<(), Error> {
        let names: Vec<&str> = wanted.iter().map(|(_, s)| s.node.as_str()).collect();
        let values = self.run(graph, batch, how, fusion, &names).await?;
        for ((name, source), value) in wanted.iter().zip(values) {
            let golden = &expected[*name];
            let blank = match source.arrange {
                Arrange::Logits if self.drops_padding() => {
                    Some(self.blank_logits(how, fusion).await?)
                }
                _ => None,
            };
            let found =
                source.arrange.apply(&value, batch.rows(), golden.shape(), blank.as_deref());
            let limits = match how {
                Arithmetic::F64 => Limits::f64(),
                Arithmetic::F32(_) => Limits::f32(self.err_abs(name), map::is_kernel(name)),
            };
            report.lines.push(compare::line(name, fusion, golden, found, limits));
        }
        Ok(())
    }

    /// Values of the named nodes.
    async fn run(
        &self,
        graph: &Graph,
        batch: &Batch,
        how: &Arithmetic<'_>,
        fusion: Fusion,
        names: &[&str],
    ) -> Result<Vec<HostTensor>, Error> {
        // Parts of composite ops have names only once these are decomposed.
        let graph = match fusion {
            Fusion::Full => graph.clone(),
            Fusion::None => m2_ir::passes::decompose_all(graph)?,
        };
        let graph = graph
            .with_outputs(names)
            .map_err(|n| Error::Golden(format!("the model has no value {n}")))?;
        let graph = m2_ir::passes::dead_code(&graph)?;
        let params = &self.weights.tensors;
        match how {
            Arithmetic::F64 => {
                let graph = match fusion {
                    Fusion::Full => {
                        let target = m2_ir::Target::cpu(u64::MAX);
                        m2_ir::passes::run(&graph, &m2_ir::passes::fused(&target), |_, _| {})?
                    }
                    Fusion::None => graph,
                };
                let out = m2_cpu::reference::run::<f64>(&graph, params, batch)?;
                Ok(out.iter().map(|a| HostTensor::from_f64(&a.shape, &a.data)).collect())
            }
            Arithmetic::F32(device) => {
                let plan = lower(&graph, &device.target(), batch.sizes().class(), fusion)?;
                let mut weights = device.weights();
                let mut program = device.load(plan, params, &mut weights).await?;
                let run = device.run(&mut program, batch).await?;
                let mut out = Vec::with_capacity(names.len());
                for i in 0..names.len() {
                    out.push(device.read(&program, &run, i).await?);
                }
                Ok(out)
            }
        }
    }

    /// Whether the reference drops padded positions before its layers and puts zeros there after
    /// them.
    fn drops_padding(&self) -> bool {
        self.weights.config.architecture == Architecture::AlibiBert
    }

    /// Ids as they lie: rows of length S, valid = the mask's sum.
    fn batch(&self) -> Result<Batch, Error> {
        let read = |name: &str| -> Result<(Vec<u32>, usize, usize), Error> {
            let t = self
                .io
                .get(name)
                .ok_or_else(|| Error::Golden(format!("io.safetensors has no {name}")))?;
            let [b, s] = t.shape()[..] else {
                return Err(Error::Golden(format!(
                    "io.safetensors: {name} has shape {:?}, expected [batch, tokens]",
                    t.shape()
                )));
            };
            Ok((t.to_f64().into_iter().map(|v| v as u32).collect(), b, s))
        };
        let (ids, b, s) = read("input_ids")?;
        let (mask, ..) = read("attention_mask")?;
        let types = read("token_type_ids").map_or_else(|_| vec![0; b * s], |(t, ..)| t);
        if mask.len() != b * s || types.len() != b * s {
            return Err(Error::Golden(
                "io.safetensors: ids, mask and types differ in shape".into(),
            ));
        }
        let texts: Vec<Text<'_>> = (0..b)
            .map(|i| {
                let valid = mask[i * s..(i + 1) * s].iter().sum::<u32>() as usize;
                let at = i * s..(i + 1) * s;
                Text { ids: &ids[at.clone()], token_types: Some(&types[at]), valid: valid.min(s) }
            })
            .collect();
        Ok(Batch::from_texts(&texts)?)
    }

    /// Logits of a hidden state of zeros: what the reference has at positions it dropped.
    async fn blank_logits(&self, how: &Arithmetic<'_>, fusion: Fusion) -> Result<Vec<f64>, Error> {
        let c = &self.weights.config;
        let mut g = m2_ir::Builder::new();
        let width = [m2_ir::Dim::Tokens, m2_ir::Dim::Fixed(c.hidden_size)];
        let x = g.input("hidden", width, m2_ir::DType::F32);
        m2_nn::blocks::mlm_head(&mut g, c, "logits", x)?;
        let rows = RowTable::new([(1, 1)])?;
        let shape = [rows.tokens(), c.hidden_size];
        let zeros = HostTensor::from_f32(&shape, &vec![0.0; shape[0] * shape[1]]);
        let batch = Batch::from_rows(rows).with_input("hidden", zeros);
        let out = self.run(&g.finish(), &batch, how, fusion, &["logits"]).await?;
        Ok(out[0].to_f64()[..c.vocab_size].to_vec())
    }

    fn err_abs(&self, name: &str) -> f64 {
        if let Some(&e) = self.err_abs.get(name) {
            return e;
        }
        match (self.io.get(name), self.io_f64.as_ref().and_then(|io| io.get(name))) {
            (Some(a), Some(b)) if a.shape() == b.shape() => {
                compare::largest_difference(&a.to_f64(), &b.to_f64())
            }
            _ => 0.0,
        }
    }
}
