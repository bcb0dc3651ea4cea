//! `m2 inspect`: counts, configurations side by side, warnings.

use std::fs;

use super::{run, small_model, text};
use crate::support::golden::tree;

#[test]
fn counts_are_those_of_the_configuration() {
    let (_dir, model) = small_model("3");
    let found = run(&["inspect", "--json", text(&model)]).done().json();
    let config = m2::read_config(&model).unwrap();
    let heads = m2_nn::Heads { mlm: true, pooler: true, classifier: false };
    assert_eq!(found["parameters"], m2_nn::params::parameter_count(&config, heads));
    assert_eq!(found["parts"]["embeddings"], (30_528 + 128 + 2 + 2) * 16);
    assert_eq!(found["config"], serde_json::Value::Object(config.to_map()));
    assert_eq!(found["inferred"]["hidden_size"], 16);
    assert_eq!(found["differences"].as_array().unwrap().len(), 0);
    assert_eq!(found["warnings"].as_array().unwrap().len(), 0);
    let human = run(&["inspect", text(&model)]).done().out;
    assert!(human.contains("M2-BERT") && human.contains("word_embeddings.weight"), "{human}");
}

#[test]
fn every_golden_model_is_understood() {
    for folder in tree().folders(&["m2_", "hfbert_", "alibi_"]) {
        let found = run(&["inspect", "--json", text(&folder)]).done().json();
        assert_eq!(found["warnings"].as_array().unwrap().len(), 0, "{}", folder.display());
        let known = found["tensors"].as_array().unwrap().iter().all(|t| {
            t["part"].is_string() || t["name"].as_str().unwrap().ends_with("position_ids")
        });
        assert!(known, "{}", folder.display());
    }
}

#[test]
fn a_config_of_another_model_is_shown() {
    let (_dir, model) = small_model("3");
    let path = model.join("config.json");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, config.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"))
        .unwrap();
    let found = run(&["inspect", "--json", text(&model)]).done().json();
    let differences = found["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert_eq!(differences[0]["key"], "num_hidden_layers");
    assert_eq!((&differences[0]["config"], &differences[0]["shapes"]), (&3.into(), &2.into()));
    let warning = found["warnings"][0].as_str().unwrap();
    assert!(warning.contains("num_hidden_layers"), "{warning}");
}
