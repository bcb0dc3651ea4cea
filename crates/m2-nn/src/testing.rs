//! Reads golden folders for this crate's unit tests.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use m2_ir::{DType, HostTensor};

use crate::ModelConfig;

fn root() -> PathBuf {
    match std::env::var_os("M2_GOLDEN_DIR") {
        Some(dir) => PathBuf::from(dir).join("m2bert"),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/m2bert"),
    }
}

/// Every golden model and layer folder.
///
/// # Panics
/// When there is none: the tests that read them would otherwise pass without a look.
pub fn golden() -> impl Iterator<Item = PathBuf> {
    let mut found: Vec<_> = fs::read_dir(root())
        .unwrap_or_else(|e| panic!("{}: {e}", root().display()))
        .map(|entry| entry.unwrap().path())
        .filter(|p| p.join("config.json").exists())
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no golden folder in {}", root().display());
    found.into_iter()
}

/// The operator files whose name begins with `prefix` and ends with `suffix`.
pub fn golden_ops(prefix: &str, suffix: &str) -> Vec<PathBuf> {
    let matches = |p: &PathBuf| {
        let name = p.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with(prefix) && name.ends_with(suffix)
    };
    let files = fs::read_dir(root().join("ops")).unwrap().map(|e| e.unwrap().path());
    files.filter(matches).collect()
}

pub fn read_config(dir: &Path) -> ModelConfig {
    let text = fs::read_to_string(dir.join("config.json")).unwrap();
    ModelConfig::from_json(&text).unwrap_or_else(|e| panic!("{}: {e}", dir.display()))
}

pub fn read_tensors(file: &Path) -> BTreeMap<String, HostTensor> {
    let bytes = fs::read(file).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let read = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let dtype = match view.dtype() {
            safetensors::Dtype::F32 => DType::F32,
            safetensors::Dtype::F64 => DType::F64,
            safetensors::Dtype::I64 => DType::I64,
            other => panic!("{}: {name} is {other:?}", file.display()),
        };
        let bytes = Arc::new(view.data().to_vec());
        (name, HostTensor::new(dtype, view.shape().to_vec(), bytes).unwrap())
    };
    tensors.tensors().into_iter().map(read).collect()
}
