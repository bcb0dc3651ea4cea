//! Reading a golden folder from disk.

use std::{collections::BTreeMap, path::Path};

use super::{Golden, Tensors};
use crate::{
    Error,
    files::{
        FileError,
        safetensors::{FiniteCheck, LoadOptions, Safetensors},
    },
};

impl Golden {
    /// Reads `config.json`, `model.safetensors`, `io.safetensors`, and where they are there
    /// `io_f64.safetensors` and the folder's entry in `../manifest.json`.
    ///
    /// # Errors
    /// When a file is missing or cannot be used.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let config = read_text(&folder.join("config.json"))?;
        let load = |name: &str, finite| -> Result<Tensors, Error> {
            let options = LoadOptions { finite, ..LoadOptions::default() };
            Ok(Safetensors::open(&folder.join(name))?.load_all(&options)?)
        };
        let model = load("model.safetensors", FiniteCheck::All)?;
        let io = load("io.safetensors", FiniteCheck::Never)?;
        let mut golden = Golden::new(&config, model, io)?;
        if folder.join("io_f64.safetensors").exists() {
            golden.io_f64 = Some(load("io_f64.safetensors", FiniteCheck::Never)?);
        }
        golden.err_abs = measured_errors(folder)?;
        Ok(golden)
    }
}

/// `err_abs` of the folder's `io.safetensors` in `../manifest.json`; empty where there is none.
fn measured_errors(folder: &Path) -> Result<BTreeMap<String, f64>, Error> {
    let folder = folder.canonicalize().map_err(|e| FileError::io("open", folder, e))?;
    let (Some(name), Some(parent)) = (folder.file_name(), folder.parent()) else {
        return Ok(BTreeMap::new());
    };
    let path = parent.join("manifest.json");
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let manifest: serde_json::Value = serde_json::from_str(&read_text(&path)?)
        .map_err(|e| Error::Golden(format!("{}: not JSON: {e}", path.display())))?;
    let key = format!("{}/io.safetensors", name.to_string_lossy());
    let tensors = manifest.get(key).and_then(|f| f.get("tensors")).and_then(|t| t.as_object());
    Ok(tensors
        .into_iter()
        .flatten()
        .filter_map(|(name, t)| Some((name.clone(), t.get("err_abs")?.as_f64()?)))
        .collect())
}

fn read_text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|e| FileError::io("read", path, e).into())
}
