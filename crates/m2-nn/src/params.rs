//! The one list of a model's tensors: initialisation, inspection, checkpoint checks and counts all
//! derive from [`parameters`].
//!
//! Names and shapes are those of the public checkpoints, row-major, slowest axis first.

use crate::config::{Architecture, ModelConfig};

/// The heads a model has on top of its encoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// Masked-language-model head (`cls.predictions.*`), its decoder tied to the word embeddings.
    pub mlm: bool,
    /// Pooler (`bert.pooler.*`).
    pub pooler: bool,
    /// Sequence classifier (`classifier.*`).
    pub classifier: bool,
}

impl Heads {
    /// Every head.
    pub const ALL: Heads = Heads { mlm: true, pooler: true, classifier: true };
    /// The pretraining model: MLM head, no pooler.
    pub const MLM: Heads = Heads { mlm: true, pooler: false, classifier: false };
    /// The retrieval model: pooler, no MLM head.
    pub const POOLER: Heads = Heads { mlm: false, pooler: true, classifier: false };
}

/// Whether a tensor is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A trained parameter.
    Param,
    /// A constant table: loaded where a checkpoint has it, else built.
    Table,
}

/// The part of a model a tensor belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// Word, position and type embeddings and their LayerNorm.
    Embeddings,
    /// M2-BERT's sequence mixer without its implicit filters.
    Mixer,
    /// The implicit filters of the long convolutions, D terms included.
    Filter,
    /// Attention with its output projection and LayerNorm.
    Attention,
    /// The MLP with its LayerNorm.
    Mlp,
    /// The masked-language-model head.
    Mlm,
    /// The pooler.
    Pooler,
    /// The sequence classifier.
    Classifier,
}

impl Part {
    /// All parts in the order of a forward pass.
    pub const ALL: [Part; 8] = [
        Part::Embeddings,
        Part::Mixer,
        Part::Filter,
        Part::Attention,
        Part::Mlp,
        Part::Mlm,
        Part::Pooler,
        Part::Classifier,
    ];

    /// The lower-case name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Part::Embeddings => "embeddings",
            Part::Mixer => "mixer",
            Part::Filter => "filter",
            Part::Attention => "attention",
            Part::Mlp => "mlp",
            Part::Mlm => "mlm",
            Part::Pooler => "pooler",
            Part::Classifier => "classifier",
        }
    }
}

/// How a fresh model's tensor is filled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Every element the same.
    Constant(f64),
    /// Normal around 0 with this standard deviation.
    Normal(f64),
    /// Uniform in [−bound, bound).
    Uniform(f64),
    /// Positional features of the filter MLP ([`crate::tables::position_features`]).
    PositionFeatures,
    /// Times in [0, 1] ([`crate::tables::times`]).
    Times,
    /// Decay rates ([`crate::tables::decay_rates`]).
    DecayRates,
}

/// One tensor of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSpec {
    /// Its name in checkpoints.
    pub name: String,
    /// Sizes, slowest first.
    pub shape: Vec<usize>,
    /// Trained or constant.
    pub kind: Kind,
    /// Initial values.
    pub init: Init,
    /// Where it belongs.
    pub part: Part,
    /// Other names under which checkpoints store the very same tensor.
    pub aliases: Vec<String>,
    /// Layer whose draw all layers share, as the published training code copies one layer.
    pub drawn_once: bool,
}

impl ParamSpec {
    /// Number of elements.
    pub fn elements(&self) -> u64 {
        self.shape.iter().fold(1u64, |n, &d| n.saturating_mul(d as u64))
    }

    /// The name that seeds the tensor's random draw: its own, or layer 0's where layers share it.
    pub fn seed_name(&self) -> String {
        match self.name.strip_prefix(LAYERS).and_then(|rest| rest.split_once('.')) {
            Some((_, rest)) if self.drawn_once => format!("{LAYERS}0.{rest}"),
            _ => self.name.clone(),
        }
    }
}

/// What the names of all layers begin with.
pub(crate) const LAYERS: &str = "bert.encoder.layer.";

/// Number of trained parameters, each shared tensor counted once.
pub fn parameter_count(config: &ModelConfig, heads: Heads) -> u64 {
    let trained = |spec: &ParamSpec| spec.kind == Kind::Param;
    parameters(config, heads)
        .iter()
        .filter(|s| trained(s))
        .fold(0u64, |n, s| n.saturating_add(s.elements()))
}

/// Every tensor of a model, in the order of a forward pass.
pub fn parameters(config: &ModelConfig, heads: Heads) -> Vec<ParamSpec> {
    let mut list = List { config, specs: Vec::new(), part: Part::Embeddings };
    list.embeddings(heads);
    for i in 0..config.num_hidden_layers {
        let layer = format!("{LAYERS}{i}");
        match config.architecture {
            Architecture::M2Bert => {
                list.mixer(&format!("{layer}.attention"));
                list.monarch_mlp(&format!("{layer}.mlp"));
            }
            Architecture::AlibiBert => {
                list.alibi_attention(&format!("{layer}.attention"));
                list.monarch_mlp(&format!("{layer}.mlp"));
            }
            Architecture::Bert => list.bert_layer(&layer),
        }
    }
    if heads.mlm {
        list.mlm();
    }
    if heads.pooler {
        list.pooler();
    }
    if heads.classifier {
        list.part = Part::Classifier;
        list.linear("classifier", config.num_labels, config.hidden_size);
    }
    list.specs
}

struct List<'a> {
    config: &'a ModelConfig,
    specs: Vec<ParamSpec>,
    part: Part,
}

impl List<'_> {
    fn push(&mut self, name: String, shape: &[usize], init: Init) -> &mut ParamSpec {
        let kind = match init {
            Init::Times | Init::DecayRates => Kind::Table,
            _ => Kind::Param,
        };
        let at = self.specs.len();
        self.specs.push(ParamSpec {
            name,
            shape: shape.to_vec(),
            kind,
            init,
            part: self.part,
            aliases: Vec::new(),
            drawn_once: false,
        });
        &mut self.specs[at]
    }

    fn normal(&self) -> Init {
        Init::Normal(self.config.initializer_range)
    }

    fn weight(&mut self, name: String, shape: &[usize]) -> &mut ParamSpec {
        let init = self.normal();
        self.push(name, shape, init)
    }

    fn linear(&mut self, name: &str, outputs: usize, inputs: usize) {
        self.weight(format!("{name}.weight"), &[outputs, inputs]);
        self.push(format!("{name}.bias"), &[outputs], Init::Constant(0.0));
    }

    fn layer_norm(&mut self, name: &str) {
        let h = self.config.hidden_size;
        self.push(format!("{name}.weight"), &[h], Init::Constant(1.0));
        self.push(format!("{name}.bias"), &[h], Init::Constant(0.0));
    }

    fn embeddings(&mut self, heads: Heads) {
        self.part = Part::Embeddings;
        let c = self.config;
        let h = c.hidden_size;
        let at = "bert.embeddings";
        let words = self.weight(format!("{at}.word_embeddings.weight"), &[c.vocab_size, h]);
        if heads.mlm {
            words.aliases.push("cls.predictions.decoder.weight".into());
        }
        if c.use_positional_encodings {
            let n = c.max_position_embeddings;
            self.weight(format!("{at}.position_embeddings.weight"), &[n, h]);
        }
        self.weight(format!("{at}.token_type_embeddings.weight"), &[c.type_vocab_size, h]);
        self.layer_norm(&format!("{at}.LayerNorm"));
    }

    fn mixer(&mut self, at: &str) {
        let h = self.config.hidden_size;
        self.part = Part::Mixer;
        if self.config.mixer.training_additions {
            self.layer_norm(&format!("{at}.layernorm"));
        }
        self.linear(&format!("{at}.in_linear"), 3 * h, h);
        // The taps' fan-in is 3: PyTorch's default for a convolution of one channel.
        let bound = Init::Uniform(1.0 / 3f64.sqrt());
        self.push(format!("{at}.short_filter.weight"), &[3 * h, 1, 3], bound).drawn_once = true;
        self.push(format!("{at}.short_filter.bias"), &[3 * h], bound).drawn_once = true;
        self.filter(&format!("{at}.filter_fn"));
        if self.config.mixer.residual_long_conv {
            self.filter(&format!("{at}.filter_fn2"));
        }
        self.part = Part::Mixer;
        self.linear(&format!("{at}.out_linear"), h, h);
    }

    fn filter(&mut self, at: &str) {
        self.part = Part::Filter;
        let (h, n) = (self.config.hidden_size, self.config.max_position_embeddings);
        let mixer = self.config.mixer;
        let (o, e) = (mixer.filter_order, mixer.emb_dim);
        self.push(format!("{at}.bias"), &[h], Init::Normal(1.0)).drawn_once = true;
        self.push(format!("{at}.pos_emb.z"), &[1, n, e], Init::PositionFeatures);
        self.push(format!("{at}.pos_emb.t"), &[1, n, 1], Init::Times);
        self.push(format!("{at}.modulation.deltas"), &[1, 1, h], Init::DecayRates);
        let directions: &[&str] = match mixer.bidirectional {
            true => &["implicit_filter", "implicit_filter_rev"],
            false => &["implicit_filter"],
        };
        let freq = |d: &str, sine: usize| format!("{at}.{d}.{sine}.freq");
        for &direction in directions {
            let mlp = format!("{at}.{direction}");
            self.linear(&format!("{mlp}.0"), o, e);
            if direction == "implicit_filter" {
                // One tensor serves all sines of both directions.
                let shared = self.push(freq(direction, 1), &[1, o], Init::Constant(mixer.w));
                let uses = directions.iter().flat_map(|d| [1, 3, 5].map(|i| freq(d, i)));
                shared.aliases = uses.skip(1).collect();
            }
            self.linear(&format!("{mlp}.2"), o, o);
            self.linear(&format!("{mlp}.4"), o, o);
            self.weight(format!("{mlp}.6.weight"), &[h, o]);
        }
    }

    fn monarch_mlp(&mut self, at: &str) {
        self.part = Part::Mlp;
        let (h, i) = (self.config.hidden_size, self.config.intermediate_size);
        let up = if self.config.mlp.glu { 2 * i } else { i };
        let (gated, wo) = (format!("{at}.gated_layers.weight"), format!("{at}.wo.weight"));
        let bias = format!("{at}.wo.bias");
        match self.config.mlp.blocks {
            Some(nb) => {
                let bound = |inputs: usize| Init::Uniform(1.0 / ((inputs / nb) as f64).sqrt());
                self.push(gated, &[nb, up / nb, h / nb], bound(h)).drawn_once = true;
                self.push(wo, &[nb, h / nb, i / nb], bound(i)).drawn_once = true;
                // The published class takes the bias' own length for its fan-in.
                let init = Init::Uniform(1.0 / (h as f64).sqrt());
                self.push(bias, &[h], init).drawn_once = true;
            }
            None => {
                self.weight(gated, &[up, h]);
                self.weight(wo, &[h, i]);
                self.push(bias, &[h], Init::Constant(0.0));
            }
        }
        self.layer_norm(&format!("{at}.layernorm"));
    }

    fn alibi_attention(&mut self, at: &str) {
        self.part = Part::Attention;
        let h = self.config.hidden_size;
        self.linear(&format!("{at}.self.Wqkv"), 3 * h, h);
        self.linear(&format!("{at}.output.dense"), h, h);
        self.layer_norm(&format!("{at}.output.LayerNorm"));
    }

    fn bert_layer(&mut self, at: &str) {
        let (h, i) = (self.config.hidden_size, self.config.intermediate_size);
        self.part = Part::Attention;
        for projection in ["query", "key", "value"] {
            self.linear(&format!("{at}.attention.self.{projection}"), h, h);
        }
        self.linear(&format!("{at}.attention.output.dense"), h, h);
        self.layer_norm(&format!("{at}.attention.output.LayerNorm"));
        self.part = Part::Mlp;
        self.linear(&format!("{at}.intermediate.dense"), i, h);
        self.linear(&format!("{at}.output.dense"), h, i);
        self.layer_norm(&format!("{at}.output.LayerNorm"));
    }

    fn mlm(&mut self) {
        self.part = Part::Mlm;
        let (h, v) = (self.config.hidden_size, self.config.vocab_size);
        let at = "cls.predictions";
        self.linear(&format!("{at}.transform.dense"), h, h);
        self.layer_norm(&format!("{at}.transform.LayerNorm"));
        let decoder = format!("{at}.decoder.bias");
        match self.config.architecture {
            Architecture::Bert => {
                let bias = self.push(format!("{at}.bias"), &[v], Init::Constant(0.0));
                bias.aliases.push(decoder);
            }
            Architecture::M2Bert | Architecture::AlibiBert => {
                self.push(decoder, &[v], Init::Constant(0.0));
            }
        }
    }

    fn pooler(&mut self) {
        self.part = Part::Pooler;
        let (h, i) = (self.config.hidden_size, self.config.intermediate_size);
        let at = "bert.pooler";
        if self.config.pooling.attention_pooling {
            self.linear(&format!("{at}.Wqkv"), 3 * h, h);
            for (up, down) in [("dense1", "dense2"), ("dense3", "dense4")] {
                self.linear(&format!("{at}.{up}"), i, h);
                self.linear(&format!("{at}.{down}"), h, i);
            }
        }
        self.linear(&format!("{at}.dense"), h, h);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{golden, read_config, read_tensors};

    #[test]
    fn the_list_is_each_golden_models_own() {
        for dir in golden().filter(|d| d.join("model.safetensors").exists()) {
            let tensors = read_tensors(&dir.join("model.safetensors"));
            let config = read_config(&dir);
            let heads = Heads {
                mlm: true,
                pooler: tensors.contains_key("bert.pooler.dense.weight"),
                classifier: tensors.contains_key("classifier.weight"),
            };
            let mut expected = std::collections::BTreeMap::new();
            for spec in parameters(&config, heads) {
                for alias in spec.aliases {
                    assert!(expected.insert(alias, spec.shape.clone()).is_none());
                }
                assert!(expected.insert(spec.name, spec.shape).is_none());
            }
            let found: std::collections::BTreeMap<_, _> = tensors
                .iter()
                .filter(|(name, _)| !name.ends_with("position_ids"))
                .map(|(name, t)| (name.clone(), t.shape().to_vec()))
                .collect();
            assert_eq!(found, expected, "{}", dir.display());
        }
    }

    #[test]
    fn keys_of_a_state_dict_are_as_many_as_published() {
        let config = ModelConfig::from_json(r#"{"monarch_mixer_sequence_mixing": true}"#).unwrap();
        let specs = parameters(&config, Heads::MLM);
        let trained = specs.iter().filter(|s| s.kind == Kind::Param).count();
        let names: usize = specs.iter().map(|s| 1 + s.aliases.len()).sum();
        assert_eq!(trained, 10 + 45 * 12);
        // One more key is `position_ids`, which is no tensor of the model.
        assert_eq!(names + 1, 12 + 59 * 12);
    }

    #[test]
    fn shared_draws_name_layer_zero() {
        let config = ModelConfig::from_json(r#"{"monarch_mixer_sequence_mixing": true}"#).unwrap();
        let specs = parameters(&config, Heads::MLM);
        let seed = |name: &str| specs.iter().find(|s| s.name == name).unwrap().seed_name();
        assert_eq!(seed("bert.encoder.layer.11.mlp.wo.bias"), "bert.encoder.layer.0.mlp.wo.bias");
        let own = "bert.encoder.layer.11.attention.in_linear.weight";
        assert_eq!(seed(own), own);
    }
}
