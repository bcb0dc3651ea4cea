//! The published configurations by name.

use crate::{
    config::{ConfigError, ModelConfig},
    params::Heads,
};

/// A named configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// What it is called on a command line.
    pub name: &'static str,
    /// One line for a person who chooses.
    pub about: &'static str,
    family: Family,
    hidden: usize,
    positions: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    M2 { training_additions: bool },
    Alibi,
    Bert,
}

const M2: Family = Family::M2 { training_additions: false };

/// Every preset. All have 12 layers and an MLP four times as wide as the model.
pub const PRESETS: [Preset; 11] = [
    Preset::new("m2-bert-80m", "M2-BERT-base, 128 tokens", M2, 768, 128),
    Preset::new(
        "m2-bert-80m-ta",
        "M2-BERT-base with training additions, as released, 128 tokens",
        Family::M2 { training_additions: true },
        768,
        128,
    ),
    Preset::new("m2-bert-80m-2k", "M2-BERT-base for retrieval, 2,048 tokens", M2, 768, 2_048),
    Preset::new("m2-bert-80m-8k", "M2-BERT-base for retrieval, 8,192 tokens", M2, 768, 8_192),
    Preset::new("m2-bert-80m-32k", "M2-BERT-base for retrieval, 32,768 tokens", M2, 768, 32_768),
    Preset::new("m2-bert-110m", "M2-BERT with BERT-base's parameters, 128 tokens", M2, 960, 128),
    Preset::new("m2-bert-260m", "M2-BERT-large, 128 tokens", M2, 1_536, 128),
    Preset::new("m2-bert-341m", "M2-BERT with BERT-large's parameters, 128 tokens", M2, 1_792, 128),
    Preset::new("m2-bert-341m-2k", "the same for 2,048 tokens", M2, 1_792, 2_048),
    Preset::new("bert-base", "BERT-base, 512 tokens", Family::Bert, 768, 512),
    Preset::new(
        "alibi-base",
        "BERT-base with ALiBi attention, 512 tokens",
        Family::Alibi,
        768,
        512,
    ),
];

impl Preset {
    const fn new(
        name: &'static str,
        about: &'static str,
        family: Family,
        hidden: usize,
        positions: usize,
    ) -> Self {
        Preset { name, about, family, hidden, positions }
    }

    /// The preset of this name.
    pub fn find(name: &str) -> Option<&'static Preset> {
        PRESETS.iter().find(|p| p.name == name)
    }

    /// The heads a fresh model of this name gets: it fills masks and embeds texts.
    pub const fn heads(&self) -> Heads {
        Heads { mlm: true, pooler: true, classifier: false }
    }

    /// Its configuration.
    pub fn config(&self) -> ModelConfig {
        self.for_length(0).unwrap_or_else(|e| unreachable!("preset {}: {e}", self.name))
    }

    /// Its configuration, with positions for at least `length` tokens.
    ///
    /// # Errors
    /// When `length` is beyond [`crate::config::limits::POSITIONS`].
    pub fn for_length(&self, length: usize) -> Result<ModelConfig, ConfigError> {
        let mut map = serde_json::Map::new();
        let mut put = |key: &str, value: serde_json::Value| drop(map.insert(key.into(), value));
        put("hidden_size", self.hidden.into());
        put("intermediate_size", (4 * self.hidden).into());
        put("num_hidden_layers", 12.into());
        put("max_position_embeddings", self.positions.max(length).into());
        match self.family {
            Family::M2 { training_additions } => {
                put("monarch_mixer_sequence_mixing", true.into());
                put("hyena_training_additions", training_additions.into());
            }
            Family::Alibi => put("monarch_mixer_sequence_mixing", false.into()),
            Family::Bert => put("model_type", "bert".into()),
        }
        ModelConfig::from_map(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{Kind, Part, parameter_count, parameters};

    fn counts(name: &str) -> (u64, u64) {
        let config = Preset::find(name).unwrap().config();
        (parameter_count(&config, Heads::MLM), parameter_count(&config, Heads::POOLER))
    }

    #[test]
    fn counts_are_the_published_ones() {
        for (name, mlm, pooler) in [
            ("m2-bert-80m-ta", 80_285_760, 80_253_696),
            ("m2-bert-80m", 80_267_328, 80_235_264),
            ("m2-bert-110m", 115_583_616, 115_551_168),
            ("m2-bert-260m", 259_133_760, 259_100_160),
            ("m2-bert-341m", 341_038_144, 341_004_032),
            ("m2-bert-341m-2k", 344_709_184, 344_675_072),
            ("m2-bert-80m-2k", 81_972_288, 81_940_224),
            ("m2-bert-80m-8k", 87_428_160, 87_396_096),
            ("m2-bert-80m-32k", 109_251_648, 109_219_584),
        ] {
            assert_eq!(counts(name), (mlm, pooler), "{name}");
        }
        assert_eq!(counts("bert-base").0, 109_514_298);
        let large = r#"{"model_type": "bert", "hidden_size": 1024, "intermediate_size": 4096,
            "num_hidden_layers": 24, "num_attention_heads": 16}"#;
        let large = ModelConfig::from_json(large).unwrap();
        assert_eq!(parameter_count(&large, Heads::MLM), 335_174_458);
    }

    #[test]
    fn counts_of_one_layer_are_the_published_ones() {
        for (name, mixer, mlp) in [
            ("m2-bert-80m-ta", 2_904_576, 1_771_776),
            ("m2-bert-110m", 4_331_904, 2_767_680),
            ("m2-bert-341m-2k", 13_950_720, 9_639_168),
            ("m2-bert-80m-32k", 3_229_440, 1_771_776),
        ] {
            let specs = parameters(&Preset::find(name).unwrap().config(), Heads::MLM);
            let count = |parts: &[Part]| -> u64 {
                let of_layer = specs.iter().filter(|s| {
                    s.kind == Kind::Param
                        && s.name.starts_with("bert.encoder.layer.7.")
                        && parts.contains(&s.part)
                });
                of_layer.map(|s| s.elements()).sum()
            };
            assert_eq!(count(&[Part::Mixer, Part::Filter]), mixer, "{name}");
            assert_eq!(count(&[Part::Mlp]), mlp, "{name}");
        }
    }

    #[test]
    fn every_preset_builds_and_grows() {
        for preset in &PRESETS {
            let config = preset.config();
            assert_eq!(config.max_position_embeddings, preset.positions);
            assert_eq!(ModelConfig::from_json(&config.to_json()).unwrap(), config);
            let longer = preset.for_length(100_000).unwrap();
            assert_eq!(longer.max_position_embeddings, 100_000);
            assert!(preset.for_length(usize::MAX).is_err());
        }
        assert!(Preset::find("m2-bert").is_none());
    }
}
