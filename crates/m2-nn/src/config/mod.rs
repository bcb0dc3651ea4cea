//! What a `config.json` says about a model: read, checked, written back.

mod read;
mod write;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// The model families this crate builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// M2-BERT: Monarch Mixer sequence mixing (`monarch_mixer_sequence_mixing: true`).
    M2Bert,
    /// BERT with ALiBi attention, the Transformer baseline of the M2-BERT code
    /// (`monarch_mixer_sequence_mixing: false`).
    AlibiBert,
    /// BERT as Hugging Face writes it (`model_type: "bert"`).
    Bert,
}

impl Architecture {
    /// The name used in messages and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Architecture::M2Bert => "M2-BERT",
            Architecture::AlibiBert => "ALiBi BERT",
            Architecture::Bert => "BERT",
        }
    }

    /// Whether the model mixes along the sequence by attention heads.
    pub const fn has_attention(self) -> bool {
        matches!(self, Architecture::AlibiBert | Architecture::Bert)
    }
}

/// To what length a text is padded before the encoder sees it.
///
/// M2-BERT's convolutions read the padding, so this is part of the function a model computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Padding {
    /// Every text is padded to `max_position_embeddings`, as the published M2-BERT models expect.
    Max,
    /// No padding: nothing past a text's end contributes.
    None,
}

impl Padding {
    /// The value of `m2_padding` in `config.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Padding::Max => "max",
            Padding::None => "none",
        }
    }
}

/// The sequence mixer of M2-BERT.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MixerConfig {
    /// Adds the reverse filter and the anti-causal sum of the long convolution.
    pub bidirectional: bool,
    /// Adds a second long convolution of the mixer's own input (`filter_fn2`).
    pub residual_long_conv: bool,
    /// Adds a LayerNorm (eps 1e-5) at the mixer's input (`hyena_training_additions`).
    pub training_additions: bool,
    /// O: width of the filter MLP (`hyena_filter_order`).
    pub filter_order: usize,
    /// E: number of positional features of the filter MLP, odd and at least 3 (`hyena_emb_dim`).
    pub emb_dim: usize,
    /// Initial value of the sines' frequencies (`hyena_w`).
    pub w: f64,
    /// Constant factor of the frequencies (`hyena_w_mod`).
    pub w_mod: f64,
}

/// The MLP of M2-BERT and ALiBi BERT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MlpConfig {
    /// Gated form: gelu of the first half times the second half (`use_glu_mlp`).
    pub glu: bool,
    /// nb: number of diagonal blocks of both weights; `None` for dense weights
    /// (`use_monarch_mlp`, `monarch_mlp_nblocks`).
    pub blocks: Option<usize>,
}

/// How one vector is made of a text's hidden states. All off: tanh of a linear map of position 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pooling {
    /// Pools the masked mean instead of position 0.
    pub pool_all: bool,
    /// Takes position 0 as it is, without the pooler.
    pub use_cls_token: bool,
    /// Divides the vector by its L2 norm.
    pub use_normalized_embeddings: bool,
    /// Pools by two rounds of single-head attention.
    pub attention_pooling: bool,
    /// Gathers the embeddings of sentences.
    pub gather_sentence_embeddings: bool,
    /// Overwrites every 128th token with `[CLS]` and pools the sum over those positions.
    pub sequence_token_planting: bool,
}

/// A model's configuration: sizes and switches, checked against each other.
///
/// Keys that do not change what is computed stay in [`extra`](Self::extra) and are written back.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The model family.
    pub architecture: Architecture,
    /// V: rows of the word embeddings. The M2 code rounds it up to a multiple of 8.
    pub vocab_size: usize,
    /// H: width of a token's vector.
    pub hidden_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Attention heads; only attention models read it.
    pub num_attention_heads: usize,
    /// I: inner width of the MLP.
    pub intermediate_size: usize,
    /// N: the longest sequence, and the size of every table over positions.
    pub max_position_embeddings: usize,
    /// Number of token types.
    pub type_vocab_size: usize,
    /// The id texts are padded with.
    pub pad_token_id: usize,
    /// Epsilon of every LayerNorm but the one of `hyena_training_additions`.
    pub layer_norm_eps: f64,
    /// Standard deviation of freshly drawn weights.
    pub initializer_range: f64,
    /// Dropout of embeddings, MLP and classifier while training.
    pub hidden_dropout_prob: f64,
    /// Dropout of attention weights while training.
    pub attention_probs_dropout_prob: f64,
    /// Dropout before the classifier, where it differs from `hidden_dropout_prob`.
    pub classifier_dropout: Option<f64>,
    /// Whether a learned vector per position is added to the word embeddings.
    pub use_positional_encodings: bool,
    /// M2-BERT's sequence mixer; read only where the architecture is M2-BERT.
    pub mixer: MixerConfig,
    /// The MLP's form; BERT's is always dense and without gate.
    pub mlp: MlpConfig,
    /// How a text's vector is made.
    pub pooling: Pooling,
    /// Number of classes of the sequence classifier; 2 where nothing says it.
    pub num_labels: usize,
    /// Names of the classes by index; empty when the configuration names none.
    pub id2label: BTreeMap<usize, String>,
    /// Padding policy; where `m2_padding` is absent, `max` for M2-BERT and `none` for the others.
    pub padding: Padding,
    /// All other keys, kept as they were read.
    pub extra: Map<String, Value>,
    /// Keys that were absent and took the published value.
    pub defaulted: Defaulted,
}

/// Keys that a configuration did not have, for which a checkpoint's shapes may speak.
///
/// Two configurations that differ only here are equal.
#[derive(Clone, Debug, Default)]
pub struct Defaulted(BTreeSet<&'static str>);

impl PartialEq for Defaulted {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Defaulted {
    /// Whether this key was absent.
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains(key)
    }
}

impl ModelConfig {
    /// The name of class `index`: from `id2label`, else `LABEL_<index>`.
    pub fn label(&self, index: usize) -> String {
        self.id2label.get(&index).cloned().unwrap_or_else(|| format!("LABEL_{index}"))
    }

    /// The same model for sequences of up to `positions` tokens.
    ///
    /// # Errors
    /// When `positions` is 0 or beyond [`limits::POSITIONS`].
    pub fn with_positions(&self, positions: usize) -> Result<Self, ConfigError> {
        let mut grown = ModelConfig { max_position_embeddings: positions, ..self.clone() };
        grown.defaulted.0.remove("max_position_embeddings");
        grown.check()?;
        Ok(grown)
    }
}

/// The largest sizes a configuration may ask for.
pub mod limits {
    /// Word embeddings.
    pub const VOCABULARY: usize = 1 << 24;
    /// Hidden size.
    pub const HIDDEN: usize = 1 << 16;
    /// Inner width of the MLP.
    pub const INTERMEDIATE: usize = 1 << 18;
    /// Layers.
    pub const LAYERS: usize = 1 << 10;
    /// Positions: the largest count whose indices are exact in float32.
    pub const POSITIONS: usize = 1 << 24;
    /// Width of the filter MLP.
    pub const FILTER_ORDER: usize = 1 << 14;
    /// Positional features of the filter MLP.
    pub const FILTER_FEATURES: usize = (1 << 10) + 1;
    /// Token types.
    pub const TOKEN_TYPES: usize = 1 << 16;
    /// Classes.
    pub const LABELS: usize = 1 << 20;
    /// Parameters of the whole model.
    pub const PARAMETERS: u64 = 1 << 36;
}

/// A configuration that cannot be read, or that contradicts itself.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not JSON, or not an object.
    #[error("config.json is not a JSON object: {0}")]
    Json(String),
    /// A value has the wrong type.
    #[error("config.json: `{key}` is {found}, expected {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// What the file holds, shortened.
        found: String,
        /// What belongs there.
        expected: String,
    },
    /// A size beyond what any model of this kind needs.
    #[error("config.json: `{key}` is {found}; between {min} and {max} are allowed")]
    Size {
        /// The key.
        key: &'static str,
        /// What the file asks for.
        found: u64,
        /// The smallest size.
        min: u64,
        /// The largest size.
        max: u64,
    },
    /// The sizes are fine one by one and absurd together.
    #[error("config.json describes a model of {found} parameters; at most {max} are allowed")]
    TooLarge {
        /// Number of parameters.
        found: u64,
        /// The largest number.
        max: u64,
    },
    /// A family or variant that this crate does not build.
    #[error("config.json: {key} `{found}` is not supported; supported: {supported}")]
    Unsupported {
        /// The key that says so.
        key: &'static str,
        /// What the file says.
        found: String,
        /// What would work.
        supported: &'static str,
    },
    /// Nothing says what kind of model it is.
    #[error(
        "config.json names no architecture: expected `monarch_mixer_sequence_mixing`, `model_type` \
         or at least `hidden_size`"
    )]
    NoArchitecture,
    /// Two keys exclude each other.
    #[error("config.json contradicts itself: {0}")]
    Contradiction(String),
}
