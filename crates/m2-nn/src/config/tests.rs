//! Golden, published and broken configurations.

use super::*;
use crate::testing::{golden, read_config};

const M2: &str = r#""monarch_mixer_sequence_mixing": true"#;

fn error(json: &str) -> ConfigError {
    ModelConfig::from_json(json).unwrap_err()
}

fn m2(keys: &str) -> Result<ModelConfig, ConfigError> {
    ModelConfig::from_json(&format!("{{{M2}, {keys}}}"))
}

#[test]
fn golden_configurations_round_trip() {
    for dir in golden() {
        let config = read_config(&dir);
        let text = config.to_json();
        assert_eq!(ModelConfig::from_json(&text).unwrap(), config, "{}", dir.display());
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        let family = match name.split('_').next().unwrap() {
            "hfbert" => Architecture::Bert,
            "alibi" => Architecture::AlibiBert,
            _ => Architecture::M2Bert,
        };
        assert_eq!(config.architecture, family, "{name}");
        let said: Value =
            serde_json::from_str(&std::fs::read_to_string(dir.join("config.json")).unwrap())
                .unwrap();
        let written: Value = serde_json::from_str(&text).unwrap();
        for (key, value) in said.as_object().unwrap() {
            // Attention models have no long convolution, and BERT no pooling switches.
            let Some(kept) = written.get(key) else { continue };
            assert_eq!(kept.as_f64(), value.as_f64(), "{name} {key}");
            assert_eq!(kept.as_bool(), value.as_bool(), "{name} {key}");
        }
    }
}

#[test]
fn missing_keys_get_the_published_values() {
    let config = ModelConfig::from_json(&format!("{{{M2}}}")).unwrap();
    assert_eq!((config.hidden_size, config.intermediate_size), (768, 3072));
    assert_eq!((config.num_hidden_layers, config.max_position_embeddings), (12, 128));
    assert_eq!(config.vocab_size, 30_528);
    assert_eq!((config.mixer.filter_order, config.mixer.emb_dim), (128, 5));
    assert!(config.mixer.bidirectional && config.mixer.residual_long_conv);
    assert!(!config.mixer.training_additions && config.use_positional_encodings);
    assert_eq!(config.mlp, MlpConfig { glu: true, blocks: Some(4) });
    assert_eq!((config.padding, config.layer_norm_eps), (Padding::Max, 1e-12));

    let alibi = ModelConfig::from_json(r#"{"monarch_mixer_sequence_mixing": false}"#).unwrap();
    assert_eq!(alibi.mlp, MlpConfig { glu: false, blocks: None });
    assert!(!alibi.use_positional_encodings && alibi.padding == Padding::None);

    assert_eq!(m2(r#""long_conv_l_max": 2048"#).unwrap().max_position_embeddings, 2048);
    assert_eq!(m2(r#""m2_padding": "none""#).unwrap().padding, Padding::None);
    assert_eq!(m2(r#""layer_norm_eps": "1e-5""#).unwrap().layer_norm_eps, 1e-5);
}

#[test]
fn a_sentence_encoders_configuration_reads() {
    let text = r#"{"architectures": ["BertModel"], "hidden_act": "gelu", "hidden_size": 384,
        "intermediate_size": 1536, "model_type": "bert", "num_attention_heads": 12,
        "num_hidden_layers": 6, "position_embedding_type": "absolute", "vocab_size": 30522,
        "max_position_embeddings": 512, "classifier_dropout": null, "use_cache": true}"#;
    let config = ModelConfig::from_json(text).unwrap();
    assert_eq!(config.architecture, Architecture::Bert);
    assert_eq!((config.num_attention_heads, config.vocab_size), (12, 30_522));
    assert_eq!(config.extra["architectures"][0], "BertModel");
    assert_eq!(ModelConfig::from_json(&config.to_json()).unwrap(), config);
}

#[test]
fn labels_and_their_number_agree() {
    let config = m2(r#""id2label": {"0": "no", "1": "yes", "2": "maybe"}"#).unwrap();
    assert_eq!((config.num_labels, config.label(2)), (3, "maybe".into()));
    assert_eq!(ModelConfig::from_json(&config.to_json()).unwrap(), config);
    assert_eq!(m2(r#""num_labels": 5"#).unwrap().label(4), "LABEL_4");
    for wrong in [
        r#""num_labels": 3, "id2label": {"0": "no", "1": "yes"}"#,
        r#""id2label": {"0": "no", "2": "yes"}"#,
    ] {
        assert!(matches!(m2(wrong), Err(ConfigError::Contradiction(_))), "{wrong}");
    }
    for wrong in [r#""id2label": ["no"]"#, r#""id2label": {"a": "no"}"#, r#""id2label": {"0": 1}"#]
    {
        assert!(matches!(m2(wrong), Err(ConfigError::Value { key: "id2label", .. })), "{wrong}");
    }
}

#[test]
fn contradictions_are_named() {
    for (keys, words) in [
        (r#""hidden_size": 770"#, ["hidden_size", "monarch_mlp_nblocks"]),
        (r#""intermediate_size": 3070"#, ["intermediate_size", "monarch_mlp_nblocks"]),
        (r#""hyena_emb_dim": 4"#, ["hyena_emb_dim", "odd"]),
        (
            r#""long_conv_l_max": 64, "max_position_embeddings": 128"#,
            ["long_conv_l_max", "max_position_embeddings"],
        ),
        (r#""pad_token_id": 40000"#, ["pad_token_id", "30528"]),
    ] {
        let error = m2(keys).unwrap_err();
        assert!(matches!(error, ConfigError::Contradiction(_)), "{keys}: {error}");
        assert!(words.iter().all(|w| error.to_string().contains(w)), "{error}");
    }
    let heads = error(r#"{"model_type": "bert", "num_attention_heads": 7}"#).to_string();
    assert!(heads.contains("hidden_size") && heads.contains("num_attention_heads"), "{heads}");
}

#[test]
fn absurd_sizes_are_refused() {
    for key in ["vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size"] {
        for size in ["0", "1e15", "99999999999999999999", "18446744073709551615"] {
            let text = m2(&format!("\"{key}\": {size}")).unwrap_err().to_string();
            assert!(text.contains(key), "{text}");
        }
        for value in ["-1", "1.5", "\"768\"", "true", "[1]"] {
            let error = m2(&format!("\"{key}\": {value}")).unwrap_err();
            assert!(matches!(error, ConfigError::Value { .. }), "{error}");
        }
    }
    let large = r#""hidden_size": 65536, "intermediate_size": 262144, "num_hidden_layers": 1024"#;
    assert!(matches!(m2(large), Err(ConfigError::TooLarge { .. })));
    let endless = m2(r#""layer_norm_eps": 1e400"#).unwrap_err();
    assert!(matches!(endless, ConfigError::Json(_)), "{endless}");
    let long = m2(r#""max_position_embeddings": 16777217"#).unwrap_err();
    assert!(long.to_string().contains("max_position_embeddings"), "{long}");
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    for (json, word) in [
        (r#"{"model_type": "gpt2", "hidden_size": 768}"#.to_owned(), "gpt2"),
        (format!(r#"{{{M2}, "model_type": "mamba"}}"#), "mamba"),
        (format!(r#"{{{M2}, "hidden_act": "relu"}}"#), "relu"),
        (r#"{"model_type": "bert", "hidden_act": "gelu_new"}"#.to_owned(), "gelu_new"),
        (
            r#"{"model_type": "bert", "position_embedding_type": "relative_key"}"#.to_owned(),
            "relative_key",
        ),
        (r#"{"model_type": "bert", "is_decoder": true}"#.to_owned(), "is_decoder"),
    ] {
        let error = error(&json);
        assert!(matches!(error, ConfigError::Unsupported { .. }), "{json}: {error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!(error("{}"), ConfigError::NoArchitecture);
    for text in ["", "[]", "3", "{\"a\": ", "{\"hidden_size\": \u{0}}"] {
        assert!(matches!(error(text), ConfigError::Json(_)), "{text}");
    }
    // Deep nesting must end in an error, not in an exhausted stack.
    let deep = "[".repeat(100_000);
    assert!(matches!(error(&deep), ConfigError::Json(_)));
}

#[test]
fn other_lengths_of_a_model() {
    let config = m2(r#""max_position_embeddings": 64"#).unwrap();
    let longer = config.with_positions(256).unwrap();
    assert_eq!(longer.to_map()["long_conv_l_max"], 256);
    config.with_positions(0).unwrap_err();
    config.with_positions(usize::MAX).unwrap_err();
}
