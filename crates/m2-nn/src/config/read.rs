//! `config.json` to [`ModelConfig`]: defaults, limits, contradictions.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    Architecture, ConfigError, Defaulted, MixerConfig, MlpConfig, ModelConfig, Padding, Pooling,
    limits,
};
use crate::params::{Heads, parameter_count};

impl ModelConfig {
    /// Reads the text of a `config.json`.
    ///
    /// Missing keys get the published models' values.
    ///
    /// # Errors
    /// When the text is no JSON object, a value has the wrong type or an absurd size, the
    /// architecture or a variant is not supported, or keys contradict each other.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Self::from_map(map),
            Ok(other) => Err(ConfigError::Json(format!("it holds {}", shorten(&other)))),
            Err(e) => Err(ConfigError::Json(e.to_string())),
        }
    }

    /// Reads a parsed `config.json`. Errors like [`ModelConfig::from_json`].
    pub fn from_map(map: Map<String, Value>) -> Result<Self, ConfigError> {
        let architecture = architecture(&map)?;
        let mut keys = Keys { map, defaulted: Defaulted::default() };
        refuse_variants(&mut keys, architecture)?;
        let m2 = architecture == Architecture::M2Bert;
        let bert = architecture == Architecture::Bert;

        // The M2 code rounds the 30,522 pieces of its tokenizer up to a multiple of 8.
        let pieces = if bert { 30_522 } else { 30_528 };
        let vocab_size = keys.size("vocab_size", pieces, 1, limits::VOCABULARY)?;
        let hidden_size = keys.size("hidden_size", 768, 1, limits::HIDDEN)?;
        let layers = keys.size("num_hidden_layers", 12, 1, limits::LAYERS)?;
        let heads = keys.size("num_attention_heads", 12, 1, limits::HIDDEN)?;
        let intermediate = keys.size("intermediate_size", 3_072, 1, limits::INTERMEDIATE)?;
        let (id2label, num_labels) = labels(&mut keys)?;
        let config = ModelConfig {
            architecture,
            vocab_size,
            hidden_size,
            num_hidden_layers: layers,
            num_attention_heads: heads,
            intermediate_size: intermediate,
            max_position_embeddings: positions(&mut keys, if m2 { 128 } else { 512 })?,
            type_vocab_size: keys.size("type_vocab_size", 2, 1, limits::TOKEN_TYPES)?,
            pad_token_id: keys.size("pad_token_id", 0, 0, limits::VOCABULARY)?,
            layer_norm_eps: keys.number("layer_norm_eps", 1e-12, 0.0, 1.0)?,
            initializer_range: keys.number("initializer_range", 0.02, 0.0, 1e3)?,
            hidden_dropout_prob: keys.number("hidden_dropout_prob", 0.1, 0.0, 1.0)?,
            attention_probs_dropout_prob: keys.number(
                "attention_probs_dropout_prob",
                0.1,
                0.0,
                1.0,
            )?,
            classifier_dropout: keys.optional_number("classifier_dropout", 0.0, 1.0)?,
            use_positional_encodings: bert || keys.flag("use_positional_encodings", m2)?,
            mixer: mixer(&mut keys, m2)?,
            mlp: mlp(&mut keys, m2, bert)?,
            pooling: Pooling {
                pool_all: keys.flag("pool_all", false)?,
                use_cls_token: keys.flag("use_cls_token", false)?,
                use_normalized_embeddings: keys.flag("use_normalized_embeddings", false)?,
                attention_pooling: keys.flag("attention_pooling", false)?,
                gather_sentence_embeddings: keys.flag("gather_sentence_embeddings", false)?,
                sequence_token_planting: keys.flag("sequence_token_planting", false)?,
            },
            num_labels,
            id2label,
            padding: padding(&mut keys, m2)?,
            extra: keys.map,
            defaulted: keys.defaulted,
        };
        config.check()?;
        Ok(config)
    }

    /// Checks the sizes against each other.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let contradiction = |text: String| Err(ConfigError::Contradiction(text));
        let n = self.max_position_embeddings;
        if n == 0 || n > limits::POSITIONS {
            return Err(ConfigError::Size {
                key: "max_position_embeddings",
                found: n as u64,
                min: 1,
                max: limits::POSITIONS as u64,
            });
        }
        let h = self.hidden_size;
        if self.architecture.has_attention() && !h.is_multiple_of(self.num_attention_heads) {
            return contradiction(format!(
                "`hidden_size` {h} is not a multiple of `num_attention_heads` {}",
                self.num_attention_heads
            ));
        }
        if let Some(nb) = self.mlp.blocks {
            for (key, size) in [("hidden_size", h), ("intermediate_size", self.intermediate_size)] {
                if !size.is_multiple_of(nb) {
                    return contradiction(format!(
                        "`{key}` {size} is not a multiple of `monarch_mlp_nblocks` {nb}"
                    ));
                }
            }
        }
        if self.mixer.emb_dim.is_multiple_of(2) {
            return contradiction(format!(
                "`hyena_emb_dim` {} is even; it is one time feature and pairs of cosine and sine, \
                 so odd",
                self.mixer.emb_dim
            ));
        }
        if self.pad_token_id >= self.vocab_size {
            return contradiction(format!(
                "`pad_token_id` {} is outside the vocabulary of {}",
                self.pad_token_id, self.vocab_size
            ));
        }
        let found = parameter_count(self, Heads::ALL);
        if found > limits::PARAMETERS {
            return Err(ConfigError::TooLarge { found, max: limits::PARAMETERS });
        }
        Ok(())
    }
}

fn architecture(map: &Map<String, Value>) -> Result<Architecture, ConfigError> {
    let model_type = map.get("model_type").filter(|v| !v.is_null());
    let allowed: &[&str] = match map.get("monarch_mixer_sequence_mixing") {
        Some(_) => &["bert", "m2_bert", "m2-bert"],
        None => &["bert"],
    };
    if let Some(found) = model_type
        && !found.as_str().is_some_and(|s| allowed.contains(&s))
    {
        return Err(ConfigError::Unsupported {
            key: "model_type",
            found: found.as_str().map_or_else(|| shorten(found), str::to_owned),
            supported: "bert, and M2-BERT with `monarch_mixer_sequence_mixing`",
        });
    }
    match map.get("monarch_mixer_sequence_mixing") {
        Some(Value::Bool(true)) => Ok(Architecture::M2Bert),
        Some(Value::Bool(false)) => Ok(Architecture::AlibiBert),
        Some(other) => Err(ConfigError::Value {
            key: "monarch_mixer_sequence_mixing",
            found: shorten(other),
            expected: "true or false".into(),
        }),
        None if model_type.is_some() || map.contains_key("hidden_size") => Ok(Architecture::Bert),
        None => Err(ConfigError::NoArchitecture),
    }
}

/// Refuses what would silently compute another function.
fn refuse_variants(keys: &mut Keys, architecture: Architecture) -> Result<(), ConfigError> {
    keys.map.remove("monarch_mixer_sequence_mixing");
    if architecture == Architecture::Bert {
        keys.map.remove("model_type");
    }
    keys.only("hidden_act", "gelu")?;
    if architecture == Architecture::Bert {
        keys.only("position_embedding_type", "absolute")?;
        for key in ["is_decoder", "add_cross_attention"] {
            if keys.flag(key, false)? {
                return Err(ConfigError::Unsupported {
                    key,
                    found: "true".into(),
                    supported: "encoders only (false)",
                });
            }
        }
    }
    Ok(())
}

fn positions(keys: &mut Keys, default: usize) -> Result<usize, ConfigError> {
    const POSITIONS: &str = "max_position_embeddings";
    let table = keys.optional_size("long_conv_l_max", 1, limits::POSITIONS)?;
    let found = keys.optional_size(POSITIONS, 1, limits::POSITIONS)?;
    match (found, table) {
        (Some(n), Some(t)) if n != t => Err(ConfigError::Contradiction(format!(
            "`{POSITIONS}` is {n} but `long_conv_l_max` is {t}; they are one size"
        ))),
        (n, t) => {
            if t.is_some() {
                keys.defaulted.0.remove(POSITIONS);
            }
            Ok(n.or(t).unwrap_or(default))
        }
    }
}

fn mixer(keys: &mut Keys, m2: bool) -> Result<MixerConfig, ConfigError> {
    let published = MixerConfig {
        bidirectional: true,
        residual_long_conv: true,
        training_additions: false,
        filter_order: 128,
        emb_dim: 5,
        w: 10.0,
        w_mod: 1.0,
    };
    if !m2 {
        // Attention models carry these keys without reading them: they stay in `extra`.
        return Ok(published);
    }
    Ok(MixerConfig {
        bidirectional: keys.flag("bidirectional", published.bidirectional)?,
        residual_long_conv: keys.flag("residual_long_conv", published.residual_long_conv)?,
        training_additions: keys.flag("hyena_training_additions", published.training_additions)?,
        filter_order: keys.size(
            "hyena_filter_order",
            published.filter_order,
            1,
            limits::FILTER_ORDER,
        )?,
        emb_dim: keys.size("hyena_emb_dim", published.emb_dim, 3, limits::FILTER_FEATURES)?,
        w: keys.number("hyena_w", published.w, -1e6, 1e6)?,
        w_mod: keys.number("hyena_w_mod", published.w_mod, -1e6, 1e6)?,
    })
}

fn mlp(keys: &mut Keys, m2: bool, bert: bool) -> Result<MlpConfig, ConfigError> {
    if bert {
        return Ok(MlpConfig { glu: false, blocks: None });
    }
    let glu = keys.flag("use_glu_mlp", m2)?;
    let monarch = keys.flag("use_monarch_mlp", m2)?;
    let blocks = keys.size("monarch_mlp_nblocks", 4, 1, limits::HIDDEN)?;
    Ok(MlpConfig { glu, blocks: monarch.then_some(blocks) })
}

fn labels(keys: &mut Keys) -> Result<(BTreeMap<usize, String>, usize), ConfigError> {
    let expected = || "an object of class index to name".to_owned();
    let mut names = BTreeMap::new();
    match keys.map.remove("id2label") {
        None | Some(Value::Null) => {}
        Some(Value::Object(map)) => {
            for (index, name) in map {
                let (Ok(index), Value::String(name)) = (index.parse(), &name) else {
                    let found = format!("{{\"{index}\": {}}}", shorten(&name));
                    return Err(ConfigError::Value {
                        key: "id2label",
                        found,
                        expected: expected(),
                    });
                };
                names.insert(index, name.clone());
            }
        }
        Some(other) => {
            let found = shorten(&other);
            return Err(ConfigError::Value { key: "id2label", found, expected: expected() });
        }
    }
    // It is `id2label` turned round, and written anew from it.
    keys.map.remove("label2id");
    let default = if names.is_empty() { 2 } else { names.len() };
    let count = keys.size("num_labels", default, 1, limits::LABELS)?;
    if !names.is_empty() {
        keys.defaulted.0.remove("num_labels");
    }
    let complete = names.len() == count && names.keys().copied().eq(0..count);
    if !complete && !names.is_empty() {
        return Err(ConfigError::Contradiction(format!(
            "`num_labels` is {count} but `id2label` names {} classes ({:?})",
            names.len(),
            names.keys().take(8).collect::<Vec<_>>()
        )));
    }
    Ok((names, count))
}

fn padding(keys: &mut Keys, m2: bool) -> Result<Padding, ConfigError> {
    match keys.map.remove("m2_padding") {
        None | Some(Value::Null) => Ok(if m2 { Padding::Max } else { Padding::None }),
        Some(Value::String(s)) if s == "max" => Ok(Padding::Max),
        Some(Value::String(s)) if s == "none" => Ok(Padding::None),
        Some(other) => Err(ConfigError::Value {
            key: "m2_padding",
            found: shorten(&other),
            expected: "\"max\" or \"none\"".into(),
        }),
    }
}

/// The keys not yet read. `null` counts as absent.
struct Keys {
    map: Map<String, Value>,
    defaulted: Defaulted,
}

impl Keys {
    fn take(&mut self, key: &'static str) -> Option<Value> {
        let value = self.map.remove(key).filter(|v| !v.is_null());
        if value.is_none() {
            self.defaulted.0.insert(key);
        }
        value
    }

    fn optional_size(
        &mut self,
        key: &'static str,
        min: usize,
        max: usize,
    ) -> Result<Option<usize>, ConfigError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        // A float without fraction is how some writers spell a whole number.
        let whole = value.as_f64().filter(|v| v.fract() == 0.0 && (0.0..1e18).contains(v));
        let Some(found) = value.as_u64().or(whole.map(|v| v as u64)) else {
            let found = shorten(&value);
            return Err(ConfigError::Value { key, found, expected: "a whole number".into() });
        };
        match usize::try_from(found) {
            Ok(size) if (min..=max).contains(&size) => Ok(Some(size)),
            _ => Err(ConfigError::Size { key, found, min: min as u64, max: max as u64 }),
        }
    }

    fn size(
        &mut self,
        key: &'static str,
        default: usize,
        min: usize,
        max: usize,
    ) -> Result<usize, ConfigError> {
        Ok(self.optional_size(key, min, max)?.unwrap_or(default))
    }

    fn optional_number(
        &mut self,
        key: &'static str,
        min: f64,
        max: f64,
    ) -> Result<Option<f64>, ConfigError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        // "1e-12" as text is how a YAML reader hands on a number without a dot.
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        match number {
            Some(v) if (min..=max).contains(&v) => Ok(Some(v)),
            _ => Err(ConfigError::Value {
                key,
                found: shorten(&value),
                expected: format!("a number between {min:e} and {max:e}"),
            }),
        }
    }

    fn number(
        &mut self,
        key: &'static str,
        default: f64,
        min: f64,
        max: f64,
    ) -> Result<f64, ConfigError> {
        Ok(self.optional_number(key, min, max)?.unwrap_or(default))
    }

    fn flag(&mut self, key: &'static str, default: bool) -> Result<bool, ConfigError> {
        match self.take(key) {
            None => Ok(default),
            Some(Value::Bool(b)) => Ok(b),
            Some(other) => Err(ConfigError::Value {
                key,
                found: shorten(&other),
                expected: "true or false".into(),
            }),
        }
    }

    /// A key that may only have one value.
    fn only(&mut self, key: &'static str, supported: &'static str) -> Result<(), ConfigError> {
        match self.take(key) {
            None => Ok(()),
            Some(Value::String(s)) if s == supported => Ok(()),
            Some(other) => {
                let found = other.as_str().map_or_else(|| shorten(&other), str::to_owned);
                Err(ConfigError::Unsupported { key, found, supported })
            }
        }
    }
}

/// A value for an error message, cut after 60 characters.
fn shorten(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
