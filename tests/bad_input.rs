//! Damaged models: a clear error that names the file, exit code 2, no panic.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use m2::{files::safetensors::to_bytes, verify::Golden};
use m2_ir::HostTensor;
use tempfile::TempDir;

use crate::support::{
    golden::{Tensors, json, tensors, tree},
    house::m2,
    random::Random,
};

/// A copy of the first model folder that a test may damage.
struct Folder {
    dir: TempDir,
}

impl Folder {
    fn new() -> Self {
        let from: PathBuf = tree().folders(&["m2_"]).remove(0);
        let dir = TempDir::new().unwrap();
        for file in ["config.json", "model.safetensors", "io.safetensors"] {
            fs::copy(from.join(file), dir.path().join(file)).unwrap();
        }
        Folder { dir }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    fn config(&self, key: &str, value: serde_json::Value) {
        let mut config = json(&self.path("config.json"));
        config[key] = value;
        fs::write(self.path("config.json"), config.to_string()).unwrap();
    }

    fn model(&self, change: impl FnOnce(&mut Tensors)) {
        let mut model = tensors(&self.path("model.safetensors"));
        change(&mut model);
        write(&self.path("model.safetensors"), &model);
    }
}

fn write(path: &Path, tensors: &Tensors) {
    let list = tensors.iter().map(|(n, t)| (n.as_str(), t));
    fs::write(path, to_bytes(list, &Default::default())).unwrap();
}

fn verify(folder: &Path) -> Output {
    Command::new(m2()).arg("verify").arg(folder).output().unwrap()
}

/// The command says all of `parts` and stops with code 2.
fn refused(folder: &Folder, parts: &[&str]) {
    let out = verify(folder.dir.path());
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    for part in parts {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
}

const SOME: &str = "bert.encoder.layer.0.attention.in_linear.weight";

#[test]
fn an_unharmed_copy_verifies() {
    let folder = Folder::new();
    let out = verify(folder.dir.path());
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(String::from_utf8_lossy(&out.stdout).contains("tensors compared"));
}

#[test]
fn a_changed_model_is_the_answer_no() {
    let folder = Folder::new();
    folder.model(|m| {
        let scaled: Vec<f32> = m[SOME].to_f32().iter().map(|v| v * 1.01).collect();
        m.insert(SOME.into(), HostTensor::from_f32(m[SOME].shape(), &scaled));
    });
    let out = verify(folder.dir.path());
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stdout).contains("FAILED"));
}

#[test]
fn missing_files_are_named() {
    for file in ["config.json", "model.safetensors", "io.safetensors"] {
        let folder = Folder::new();
        fs::remove_file(folder.path(file)).unwrap();
        refused(&folder, &[file]);
    }
    let out = verify(Path::new("/no/such/folder"));
    assert_eq!(out.status.code(), Some(2));
}

#[test]
fn a_missing_tensor_is_named() {
    let folder = Folder::new();
    folder.model(|m| drop(m.remove(SOME)));
    refused(&folder, &["model.safetensors", SOME, "missing"]);
}

#[test]
fn a_wrong_shape_is_named_with_both_shapes() {
    let folder = Folder::new();
    folder.model(|m| {
        let t = m["bert.pooler.dense.weight"].clone();
        let flat = t.reshaped(&[t.len()]).unwrap();
        m.insert("bert.pooler.dense.weight".into(), flat);
    });
    refused(&folder, &["bert.pooler.dense.weight", "expected"]);
}

#[test]
fn numbers_that_are_none_are_refused() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let folder = Folder::new();
        folder.model(|m| {
            let mut v = m[SOME].to_f32().into_owned();
            v[7] = bad;
            m.insert(SOME.into(), HostTensor::from_f32(m[SOME].shape(), &v));
        });
        refused(&folder, &["model.safetensors", SOME]);
    }
}

#[test]
fn a_config_that_contradicts_the_weights_is_refused() {
    for (key, value) in [
        ("hidden_size", 128.into()),
        ("num_hidden_layers", 7.into()),
        ("hidden_size", 1_000_000_000_000u64.into()),
        ("hidden_size", (-1).into()),
        ("hidden_size", 0.into()),
        ("vocab_size", u64::MAX.into()),
        ("num_hidden_layers", "two".into()),
        ("hyena_emb_dim", 4.into()),
        ("monarch_mlp_nblocks", 0.into()),
        ("layer_norm_eps", serde_json::Value::from("tiny")),
        ("max_position_embeddings", 1_000_000_000.into()),
    ] {
        let folder = Folder::new();
        folder.config(key, value);
        refused(&folder, &["config.json", key]);
    }
}

#[test]
fn text_that_is_no_json_is_refused() {
    for text in ["", "{", "[]", "null", "\u{0}", "{\"a\": 1e999}"] {
        let folder = Folder::new();
        fs::write(folder.path("config.json"), text).unwrap();
        refused(&folder, &["config.json"]);
    }
}

#[test]
fn truncated_weights_are_refused_at_every_length() {
    let folder = Folder::new();
    let whole = fs::read(folder.path("model.safetensors")).unwrap();
    let header = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for len in [0, 1, 7, 8, 9, header / 2, 8 + header - 1, 8 + header, whole.len() - 1] {
        fs::write(folder.path("model.safetensors"), &whole[..len]).unwrap();
        let error = Golden::open(folder.dir.path()).unwrap_err().to_string();
        assert!(error.contains("model.safetensors"), "{len}: {error}");
    }
    refused(&folder, &["model.safetensors"]);
}

/// Any flipped bit of the header, and any of the length before it: an error or another model, never
/// a panic and never a huge allocation.
#[test]
fn flipped_header_bits_do_no_harm() {
    let folder = Folder::new();
    let whole = fs::read(folder.path("model.safetensors")).unwrap();
    let header = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let mut random = Random::new(5);
    let mut refused = 0;
    for round in 0..300 {
        let mut bytes = whole.clone();
        let bit = if round < 64 { round } else { 64 + random.below(8 * header) };
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(folder.path("model.safetensors"), &bytes).unwrap();
        refused += usize::from(Golden::open(folder.dir.path()).is_err());
    }
    assert!(refused > 200, "only {refused} of 300 damaged files were refused");
}

#[test]
fn headers_that_lie_are_refused() {
    let cases = [
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,16]}}"#,
        r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}}"#,
        r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[8,24]}}"#,
        r#"{"a":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,16]}}"#,
        r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,18446744073709551615]}}"#,
        r#"{"a":{"dtype":"F99","shape":[4],"data_offsets":[0,16]}}"#,
        r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}"#,
        r#"{"a":{"dtype":"F32","shape":"4","data_offsets":[0,16]}}"#,
        r#"{"a":7}"#,
        "not json",
    ];
    for header in cases {
        let folder = Folder::new();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&[0; 16]);
        fs::write(folder.path("model.safetensors"), bytes).unwrap();
        refused(&folder, &["model.safetensors"]);
    }
}

#[test]
fn ids_outside_the_vocabulary_are_refused() {
    let folder = Folder::new();
    let mut io = tensors(&folder.path("io.safetensors"));
    let ids = &io["input_ids"];
    let mut bytes = ids.bytes().to_vec();
    bytes[..8].copy_from_slice(&999_999i64.to_le_bytes());
    let changed =
        HostTensor::new(ids.dtype(), ids.shape().to_vec(), std::sync::Arc::new(bytes)).unwrap();
    io.insert("input_ids".into(), changed);
    write(&folder.path("io.safetensors"), &io);
    refused(&folder, &["999999"]);
}

#[test]
fn an_unknown_device_is_refused() {
    let folder = Folder::new();
    let out =
        Command::new(m2()).args(["verify", "--device", "abacus"]).arg(folder.dir.path()).output();
    let out = out.unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("abacus"));
}
