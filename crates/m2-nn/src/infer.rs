//! What a checkpoint's shapes say about its configuration.
//!
//! Not to be seen in shapes: attention heads, `hyena_w_mod`, LayerNorm's eps, pooling flags.

use m2_ir::HostTensor;
use serde_json::{Map, Value, json};

use crate::{
    checkpoint::{Checkpoint, CheckpointError},
    config::{Architecture, ModelConfig},
    params::LAYERS,
};

const WORDS: &str = "bert.embeddings.word_embeddings.weight";
const POSITIONS: &str = "bert.embeddings.position_embeddings.weight";

/// One configuration key's value as a tensor shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// The key of `config.json`.
    pub key: &'static str,
    /// Its value.
    pub value: Value,
    /// The tensor that shows it; `None` where the absence of any such tensor does.
    pub tensor: Option<(String, Vec<usize>)>,
}

/// Everything a checkpoint's names and shapes tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The model family.
    pub architecture: Architecture,
    /// The tensor whose name shows it.
    pub architecture_tensor: String,
    /// Sizes and switches.
    pub facts: Vec<Fact>,
}

impl Checkpoint {
    /// Reads names and shapes.
    ///
    /// # Errors
    /// When no word embeddings or no known layers are there, or shapes contradict each other.
    pub fn facts(&self) -> Result<Facts, CheckpointError> {
        let (architecture, architecture_tensor) = self.architecture()?;
        let mut reader = Reader { checkpoint: self, facts: Vec::new() };
        reader.embeddings()?;
        match architecture {
            Architecture::M2Bert => {
                reader.mixer()?;
                reader.monarch_mlp()?;
            }
            Architecture::AlibiBert => reader.monarch_mlp()?,
            Architecture::Bert => reader.size("intermediate_size", ".intermediate.dense.weight", 0),
        }
        reader.size("num_labels", "classifier.weight", 0);
        Ok(Facts { architecture, architecture_tensor, facts: reader.facts })
    }

    fn architecture(&self) -> Result<(Architecture, String), CheckpointError> {
        let marks = [
            (Architecture::M2Bert, ".attention.in_linear."),
            (Architecture::M2Bert, ".attention.filter_fn."),
            (Architecture::AlibiBert, ".attention.self.Wqkv."),
            (Architecture::Bert, ".attention.self.query."),
            (Architecture::Bert, ".attention.self.key."),
        ];
        let layer = |mark: &str| {
            self.tensors().keys().find(|n| n.starts_with(LAYERS) && n.contains(mark)).cloned()
        };
        let found = marks.iter().find_map(|(a, mark)| Some((*a, layer(mark)?)));
        found.ok_or_else(|| {
            CheckpointError::Shapes(format!(
                "no tensor `{LAYERS}*` of M2-BERT, BERT or ALiBi BERT{}",
                self.bare_hint()
            ))
        })
    }

    /// A configuration from the shapes alone; what they do not show gets the published values, and
    /// attention models one head per 64 channels.
    ///
    /// # Errors
    /// Like [`Checkpoint::facts`], and when the resulting configuration is refused.
    pub fn infer_config(&self) -> Result<ModelConfig, CheckpointError> {
        let facts = self.facts()?;
        let mut map: Map<String, Value> =
            facts.facts.into_iter().map(|f| (f.key.to_owned(), f.value)).collect();
        match facts.architecture {
            Architecture::Bert => map.insert("model_type".into(), json!("bert")),
            other => map.insert(
                "monarch_mixer_sequence_mixing".into(),
                json!(other == Architecture::M2Bert),
            ),
        };
        let hidden = map.get("hidden_size").and_then(Value::as_u64).unwrap_or(1);
        let heads = if hidden.is_multiple_of(64) { hidden / 64 } else { 1 };
        map.insert("num_attention_heads".into(), json!(heads));
        Ok(ModelConfig::from_map(map)?)
    }

    /// Compares the shapes with a configuration, and returns the configuration of these weights.
    ///
    /// It differs from the given one in two cases: keys that the configuration did not have take
    /// what the shapes show; and the M2 code rounds the vocabulary up to a multiple of 8, so a
    /// `vocab_size` of 30522 belongs to 30528 rows. Switches that the configuration turns on and
    /// whose tensors are all absent are left to [`Checkpoint::load`], which names the missing tensor.
    ///
    /// # Errors
    /// Names the first key whose value the shapes contradict, and the tensor that shows it.
    pub fn check_against(&self, config: &ModelConfig) -> Result<ModelConfig, CheckpointError> {
        let facts = self.facts()?;
        if facts.architecture != config.architecture {
            return Err(CheckpointError::Architecture {
                config: config.architecture,
                weights: facts.architecture,
                tensor: facts.architecture_tensor,
            });
        }
        let said = config.to_map();
        let mut adopted = Map::new();
        for fact in facts.facts {
            // A family that does not know the key has none to compare.
            let Some(value) = said.get(fact.key).filter(|v| **v != fact.value) else { continue };
            let rounded = fact.key == "vocab_size"
                && config.architecture != Architecture::Bert
                && fact.value == json!(config.vocab_size.next_multiple_of(8));
            if rounded || config.defaulted.contains(fact.key) {
                adopted.insert(fact.key.to_owned(), fact.value);
            } else if let Some((tensor, shape)) = fact.tensor {
                return Err(CheckpointError::Contradiction {
                    key: fact.key.to_owned(),
                    config: value.to_string(),
                    weights: fact.value.to_string(),
                    tensor,
                    shape,
                });
            }
        }
        if adopted.is_empty() {
            return Ok(config.clone());
        }
        if let Some(n) = adopted.get("max_position_embeddings").cloned() {
            adopted.insert("long_conv_l_max".into(), n);
        }
        let mut map = said;
        map.extend(adopted);
        Ok(ModelConfig::from_map(map)?)
    }
}

struct Reader<'a> {
    checkpoint: &'a Checkpoint,
    facts: Vec<Fact>,
}

impl<'a> Reader<'a> {
    /// The first tensor whose name ends with `suffix`, or is it.
    fn find(&self, suffix: &str) -> Option<(&'a str, &'a HostTensor)> {
        let tensors = self.checkpoint.tensors();
        tensors.iter().find(|(n, _)| n.ends_with(suffix)).map(|(n, t)| (n.as_str(), t))
    }

    fn push(&mut self, key: &'static str, value: Value, (name, tensor): (&str, &HostTensor)) {
        let tensor = Some((name.to_owned(), tensor.shape().to_vec()));
        self.facts.push(Fact { key, value, tensor });
    }

    /// The size of one axis; nothing where the tensor or the axis is missing.
    fn size(&mut self, key: &'static str, suffix: &str, axis: usize) {
        if let Some(found) = self.find(suffix)
            && let Some(size) = found.1.shape().get(axis)
        {
            self.push(key, json!(size), found);
        }
    }

    /// A switch that is on where any tensor's name contains `mark`.
    fn switch(&mut self, key: &'static str, mark: &str) {
        let tensors = self.checkpoint.tensors();
        match tensors.iter().find(|(n, _)| n.contains(mark)) {
            Some((name, tensor)) => self.push(key, json!(true), (name, tensor)),
            None => self.facts.push(Fact { key, value: json!(false), tensor: None }),
        }
    }

    fn embeddings(&mut self) -> Result<(), CheckpointError> {
        let words = self.find(WORDS).or_else(|| self.find("cls.predictions.decoder.weight"));
        let Some((name, tensor)) = words else {
            let hint = self.checkpoint.bare_hint();
            return Err(CheckpointError::Shapes(format!("`{WORDS}` is missing{hint}")));
        };
        let &[vocabulary, hidden] = tensor.shape() else {
            return Err(rank(name, tensor, 2));
        };
        self.push("vocab_size", json!(vocabulary), (name, tensor));
        self.push("hidden_size", json!(hidden), (name, tensor));
        self.size("max_position_embeddings", POSITIONS, 0);
        self.switch("use_positional_encodings", POSITIONS);
        self.size("type_vocab_size", "bert.embeddings.token_type_embeddings.weight", 0);
        let index = |name: &str| name.strip_prefix(LAYERS)?.split('.').next()?.parse().ok();
        let layers = self.checkpoint.tensors().iter();
        let last = layers.filter_map(|(n, t)| Some((index(n)?, n.as_str(), t)));
        if let Some((i, name, tensor)) = last.max_by_key(|(i, ..): &(usize, _, _)| *i) {
            self.push("num_hidden_layers", json!(i.saturating_add(1)), (name, tensor));
        }
        Ok(())
    }

    fn mixer(&mut self) -> Result<(), CheckpointError> {
        if let Some((name, z)) = self.find(".pos_emb.z") {
            let &[_, rows, features] = z.shape() else { return Err(rank(name, z, 3)) };
            if let Some((positions, table)) = self.find(POSITIONS)
                && table.shape().first() != Some(&rows)
            {
                return Err(CheckpointError::Shapes(format!(
                    "`{positions}` {:?} and `{name}` {:?} disagree on the number of positions",
                    table.shape(),
                    z.shape()
                )));
            }
            self.push("max_position_embeddings", json!(rows), (name, z));
            self.push("hyena_emb_dim", json!(features), (name, z));
        }
        self.size("hyena_filter_order", ".filter_fn.implicit_filter.0.weight", 0);
        self.switch("bidirectional", ".implicit_filter_rev.");
        self.switch("residual_long_conv", ".filter_fn2.");
        self.switch("hyena_training_additions", ".attention.layernorm.");
        Ok(())
    }

    fn monarch_mlp(&mut self) -> Result<(), CheckpointError> {
        let Some((name, wo)) = self.find(".mlp.wo.weight") else { return Ok(()) };
        let inner = match *wo.shape() {
            [_, inner] => inner,
            [blocks, _, inner] => {
                self.push("monarch_mlp_nblocks", json!(blocks), (name, wo));
                blocks.saturating_mul(inner)
            }
            _ => return Err(rank(name, wo, 3)),
        };
        self.push("use_monarch_mlp", json!(wo.shape().len() == 3), (name, wo));
        self.push("intermediate_size", json!(inner), (name, wo));
        let Some((name, gated)) = self.find(".mlp.gated_layers.weight") else { return Ok(()) };
        let rows = match *gated.shape() {
            [rows, _] => rows,
            [blocks, rows, _] => blocks.saturating_mul(rows),
            _ => return Err(rank(name, gated, 3)),
        };
        if rows != inner && Some(rows) != inner.checked_mul(2) {
            return Err(CheckpointError::Shapes(format!(
                "`{name}` {:?} has {rows} rows in all; expected {inner}, or twice that with a gate",
                gated.shape()
            )));
        }
        self.push("use_glu_mlp", json!(rows != inner), (name, gated));
        Ok(())
    }
}

fn rank(name: &str, tensor: &HostTensor, expected: usize) -> CheckpointError {
    let found = tensor.shape();
    CheckpointError::Shapes(format!("`{name}` has shape {found:?}, expected {expected} axes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{golden, read_config, read_tensors};

    fn folders() -> impl Iterator<Item = (ModelConfig, Checkpoint)> {
        let folders = golden().filter(|d| d.join("model.safetensors").exists());
        folders.map(|d| {
            let tensors = read_tensors(&d.join("model.safetensors"));
            (read_config(&d), Checkpoint::new(tensors).unwrap())
        })
    }

    #[test]
    fn inferred_configurations_are_the_golden_ones() {
        for (config, checkpoint) in folders() {
            assert_eq!(checkpoint.check_against(&config).unwrap(), config);
            let inferred = checkpoint.infer_config().unwrap();
            assert_eq!(inferred.architecture, config.architecture);
            let (found, expected) = (inferred.to_map(), config.to_map());
            for fact in checkpoint.facts().unwrap().facts {
                let in_both = expected.contains_key(fact.key) && fact.key != "num_labels";
                if in_both {
                    assert_eq!(found[fact.key], expected[fact.key], "{}", fact.key);
                }
            }
            if config.architecture == Architecture::M2Bert {
                assert_eq!(inferred.mixer, config.mixer);
                assert_eq!(inferred.mlp, config.mlp);
                assert_eq!(inferred.max_position_embeddings, config.max_position_embeddings);
            }
        }
    }

    #[test]
    fn a_config_of_another_size_is_contradicted_by_name() {
        for (config, checkpoint) in folders() {
            for fact in checkpoint.facts().unwrap().facts {
                let mut map = config.to_map();
                let Some(old) = map.get(fact.key).cloned() else { continue };
                if fact.tensor.is_none() {
                    continue;
                }
                let new = match &old {
                    Value::Bool(b) => json!(!b),
                    Value::Number(n) => json!(n.as_u64().unwrap() * 3),
                    other => panic!("{other}"),
                };
                if fact.key == "max_position_embeddings" {
                    map.insert("long_conv_l_max".into(), new.clone());
                }
                map.insert(fact.key.into(), new);
                map.remove("id2label");
                let Ok(other) = ModelConfig::from_map(map) else { continue };
                if other.to_map().get(fact.key) == Some(&old) {
                    continue;
                }
                let error = checkpoint.check_against(&other).unwrap_err();
                assert!(
                    matches!(&error, CheckpointError::Contradiction { key, .. } if key == fact.key),
                    "{}: {error}",
                    fact.key
                );
            }
        }
    }

    #[test]
    fn a_rounded_vocabulary_is_accepted() {
        let (config, checkpoint) =
            folders().find(|(c, _)| c.architecture == Architecture::M2Bert).unwrap();
        let short = ModelConfig { vocab_size: config.vocab_size - 6, ..config.clone() };
        if config.vocab_size.is_multiple_of(8) {
            assert_eq!(checkpoint.check_against(&short).unwrap(), config);
        }
        let other = ModelConfig { vocab_size: config.vocab_size - 8, ..config };
        checkpoint.check_against(&other).unwrap_err();
    }

    #[test]
    fn the_shapes_speak_where_the_configuration_is_silent() {
        for (config, checkpoint) in folders() {
            let facts = checkpoint.facts().unwrap().facts;
            for fact in &facts {
                let mut map = config.to_map();
                map.remove(fact.key);
                if fact.key == "max_position_embeddings" {
                    map.remove("long_conv_l_max");
                }
                let Ok(silent) = ModelConfig::from_map(map) else { continue };
                let known = config.to_map().contains_key(fact.key);
                let found = checkpoint.check_against(&silent).unwrap();
                assert!(!known || found.to_map()[fact.key] == fact.value, "{}", fact.key);
            }
        }
    }

    #[test]
    fn another_family_is_named() {
        let bert = ModelConfig::from_json(r#"{"model_type": "bert"}"#).unwrap();
        for (config, checkpoint) in folders() {
            if config.architecture != Architecture::Bert {
                let text = checkpoint.check_against(&bert).unwrap_err().to_string();
                assert!(text.contains(config.architecture.name()), "{text}");
            }
        }
        let empty = Checkpoint::new(Default::default()).unwrap();
        assert!(matches!(empty.facts(), Err(CheckpointError::Shapes(_))));
    }
}
