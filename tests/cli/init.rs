//! `m2 init`: the bytes of the rule, and folders that are not overwritten.

use std::fs;

use m2_nn::{Heads, ModelConfig, checkpoint::state_dict};
use tempfile::TempDir;

use super::{run, small, small_model, text};
use crate::support::golden::{name, tensors, tree};

#[test]
fn weights_are_those_of_the_rule_whatever_the_threads() {
    let (dir, config) = small();
    let model = dir.path().join("sub").join("model");
    run(&["init", text(&config), "--seed", "11", "--threads", "3", "-o", text(&model)]).done();
    let config = ModelConfig::from_json(&fs::read_to_string(config).unwrap()).unwrap();
    let heads = Heads { mlm: true, pooler: true, classifier: false };
    let expected = state_dict(&config, heads, m2_nn::init::init(&config, heads, 11));
    let found = tensors(&model.join("model.safetensors"));
    assert!(found.keys().eq(expected.keys()));
    for (name, tensor) in &found {
        assert_eq!(tensor.bytes(), expected[name].bytes(), "{name}");
    }
    let (_other, one) = small_model("11");
    let file = |folder: &std::path::Path| fs::read(folder.join("model.safetensors")).unwrap();
    assert_eq!(file(&model), file(&one));
    assert!(model.join("vocab.txt").is_file());
}

/// A strict loader of the public reference misses nothing and knows every name.
#[test]
fn golden_models_have_the_same_tensors() {
    let dir = TempDir::new().unwrap();
    for golden in tree().folders(&["m2_", "hfbert_", "alibi_"]) {
        let expected = tensors(&golden.join("model.safetensors"));
        let model = dir.path().join(name(&golden));
        run(&["init", text(&golden.join("config.json")), "-o", text(&model)]).done();
        let mut found = tensors(&model.join("model.safetensors"));
        // Golden models of plain BERT end in its MLM head.
        found.retain(|name, _| {
            let head = name.starts_with("bert.pooler.") || name.starts_with("classifier.");
            !head || expected.contains_key(name)
        });
        assert!(found.keys().eq(expected.keys()), "{}", golden.display());
        for (name, tensor) in &found {
            let expected = &expected[name];
            assert_eq!(tensor.shape(), expected.shape(), "{name}");
            assert_eq!(tensor.dtype(), expected.dtype(), "{name}");
            if name.ends_with("position_ids") {
                assert_eq!(tensor.bytes(), expected.bytes(), "{name}");
            }
        }
    }
}

#[test]
fn lengths_grow() {
    let (dir, config) = small();
    let model = dir.path().join("model");
    run(&["init", text(&config), "--length", "200", "-o", text(&model)]).done();
    let written = m2::read_config(&model).unwrap();
    assert_eq!(written.max_position_embeddings, 200);
}

#[test]
fn a_folder_with_files_is_replaced_only_by_force() {
    let (dir, model) = small_model("1");
    let config = dir.path().join("small.json");
    let before = fs::read(model.join("model.safetensors")).unwrap();
    let again = ["init", text(&config), "--seed", "2", "-o", text(&model)];
    run(&again).refused(&["model", "--force"]);
    assert_eq!(fs::read(model.join("model.safetensors")).unwrap(), before);
    run(&[&again[..], &["--force"]].concat()).done();
    assert_ne!(fs::read(model.join("model.safetensors")).unwrap(), before);
}

#[test]
fn what_cannot_be_made_is_refused_before_work() {
    let (dir, _) = small();
    let model = dir.path().join("model");
    let to = ["-o", text(&model)];
    let init = |args: &[&str]| run(&[&["init"], args, &to].concat());
    init(&["m2-bert-81m"]).refused(&["m2-bert-81m", "m2-bert-80m-ta"]);
    init(&["m2-bert-341m", "--max-memory", "1G"]).refused(&["memory", "1073741824"]);
    init(&["m2-bert-80m", "--length", "99999999999"]).refused(&["max_position_embeddings"]);
    let broken = dir.path().join("broken.json");
    fs::write(&broken, "{").unwrap();
    init(&[text(&broken)]).refused(&["broken.json"]);
    assert!(!model.exists());
}
