//! `m2 convert`: PyTorch's files, tensors bit for bit, and files that are refused.

use std::{fs, path::PathBuf};

use m2_ir::{DType, HostTensor, f32_to_bf16};
use tempfile::TempDir;

use super::{run, text};
use crate::support::golden::{Tensors, tensors, tree};

fn checkpoint(name: &str) -> PathBuf {
    tree().root.join("checkpoints").join(name)
}

/// Converts a checkpoint and returns its tensors.
fn converted(name: &str) -> (TempDir, PathBuf, Tensors) {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("model");
    run(&["convert", text(&checkpoint(name)), text(&folder)]).done();
    let found = tensors(&folder.join("model.safetensors"));
    (dir, folder, found)
}

/// The golden model that a checkpoint was made of: its names and shapes agree.
fn origin(found: &Tensors) -> (PathBuf, Tensors) {
    let folders = tree().folders(&["m2_"]).into_iter();
    let mut all = folders.map(|f| (f.clone(), tensors(&f.join("model.safetensors"))));
    let same = |model: &Tensors| {
        found.iter().all(|(name, t)| model.get(name).is_some_and(|m| m.shape() == t.shape()))
    };
    all.find(|(_, model)| same(model)).expect("a golden model with these tensors")
}

#[test]
fn golden_checkpoints_convert_bit_for_bit() {
    for name in ["composer.pt", "pytorch_model.bin"] {
        let (_dir, _, found) = converted(name);
        let (_, expected) = origin(&found);
        assert!(found.len() > 100, "{name}: {}", found.len());
        for (tensor, value) in &found {
            let expected = &expected[tensor];
            let same = value.dtype() == expected.dtype() && value.bytes() == expected.bytes();
            assert!(same, "{name}: {tensor}");
        }
    }
}

#[test]
fn golden_bfloat16_is_the_rounded_model() {
    let (_dir, _, found) = converted("module_bf16.bin");
    let (_, expected) = origin(&found);
    let mut compared = 0;
    for (name, value) in found.iter().filter(|(_, t)| t.dtype() == DType::BF16) {
        let exact = expected[name].to_f32();
        let rounded = exact.iter().flat_map(|&v| f32_to_bf16(v).to_le_bytes());
        assert!(rounded.eq(value.bytes().iter().copied()), "{name}");
        compared += 1;
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn a_golden_checkpoint_verifies_once_converted() {
    let (_dir, folder, found) = converted("composer.pt");
    let (from, _) = origin(&found);
    fs::copy(from.join("io.safetensors"), folder.join("io.safetensors")).unwrap();
    // Heads that the pretraining checkpoint does not have.
    let io = m2::files::safetensors::Safetensors::open(&folder.join("io.safetensors")).unwrap();
    let skipped = io.tensors().map(|t| t.name.as_str());
    let absent = ["pooled_", "embedding_normalised_", "seqcls_logits_"];
    let skipped = skipped.filter(|n| absent.iter().any(|head| n.starts_with(head)));
    let mut args = vec!["verify", text(&folder)];
    skipped.for_each(|name| args.extend(["--skip", name]));
    let report = run(&args).done().out;
    assert!(report.contains("tensors compared"), "{report}");
}

#[test]
fn a_named_config_is_checked_against_the_shapes() {
    let dir = TempDir::new().unwrap();
    let (config, folder) = (dir.path().join("c.json"), dir.path().join("model"));
    let input = checkpoint("composer.pt");
    let convert = |extra: &[&str]| {
        run(&[&["convert", text(&input), text(&folder), "--config", text(&config)], extra].concat())
    };
    convert(&[]).refused(&["c.json"]);
    fs::write(&config, r#"{"monarch_mixer_sequence_mixing": true, "hidden_size": 32}"#).unwrap();
    convert(&[]).refused(&["composer.pt", "hidden_size", "32"]);
    assert!(!folder.exists());
    fs::write(&config, r#"{"monarch_mixer_sequence_mixing": true, "m2_padding": "none"}"#).unwrap();
    convert(&[]).done();
    assert_eq!(m2::read_config(&folder).unwrap().padding, m2_nn::Padding::None);
    convert(&[]).refused(&["--force"]);
    convert(&["--force"]).done();
}

#[test]
fn hostile_and_foreign_files_are_refused_and_leave_nothing() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("model");
    let convert = |input: &str| run(&["convert", input, text(&folder)]);
    convert(text(&checkpoint("evil.pt"))).refused(&["evil.pt", "system", "nothing was run"]);
    convert(text(&checkpoint("legacy_format.bin"))).refused(&["legacy_format.bin", "torch.save"]);
    convert(text(&checkpoint("views.pt"))).refused(&["views.pt"]);
    convert("/no/such/file.pt").refused(&["/no/such/file.pt"]);
    let safe = dir.path().join("weights.pt");
    let tensor = HostTensor::from_f32(&[1], &[1.0]);
    let bytes = m2::files::safetensors::to_bytes([("a", &tensor)], &Default::default());
    fs::write(&safe, bytes).unwrap();
    convert(text(&safe)).refused(&["weights.pt"]);
    assert!(!folder.exists());
}
