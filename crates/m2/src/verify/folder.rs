//! Reading a golden folder from disk.

use std::{collections::BTreeMap, path::Path};

use super::{Golden, Tensors, measured_errors};
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
        golden.err_abs = errors_beside(folder)?;
        Ok(golden)
    }
}

/// `err_abs` of the folder's tensors in `../manifest.json`; empty where there is none.
fn errors_beside(folder: &Path) -> Result<BTreeMap<String, f64>, Error> {
    let folder = folder.canonicalize().map_err(|e| FileError::io("open", folder, e))?;
    let (Some(name), Some(parent)) = (folder.file_name(), folder.parent()) else {
        return Ok(BTreeMap::new());
    };
    let path = parent.join("manifest.json");
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    measured_errors(&read_text(&path)?, &name.to_string_lossy())
}

fn read_text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|e| FileError::io("read", path, e).into())
}
