//! Opening a model's folder: weights and tokenizer side by side.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
};

use m2_data::Tokenizer;
use m2_nn::{Checkpoint, ModelConfig, Weights};

use crate::{
    Device, Error, Model, Settings,
    files::{
        FileError,
        safetensors::{FiniteCheck, LoadOptions, Safetensors},
    },
    model::Parts,
};

/// Longest `config.json`, `modules.json` and the like that is read.
const MAX_JSON: u64 = 16 << 20;
/// Longest `tokenizer.json` or `vocab.txt` that is read.
const MAX_TOKENIZER: u64 = 256 << 20;

/// How a folder is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    /// Tensors that the model has no use for are an error instead of a warning.
    pub strict: bool,
}

impl Model {
    /// Opens a Hugging Face folder: `config.json`, `model.safetensors` or its shards, and where they
    /// are there `tokenizer.json` or `vocab.txt` and the files of sentence-transformers.
    ///
    /// # Errors
    /// When a file is missing or damaged, or files contradict each other.
    pub fn open(folder: &Path, device: Device, options: OpenOptions) -> Result<Self, Error> {
        let config = read_config(folder)?;
        let (tokenizer, weights) = thread::scope(|scope| {
            // Half a megabyte of tokenizer takes as long as tens of megabytes of weights.
            let tokenizer = scope.spawn(|| read_tokenizer(folder));
            let weights = read_weights(folder, &config, options, FiniteCheck::Read);
            (tokenizer.join(), weights)
        });
        let weights = weights?;
        let tokenizer = tokenizer.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let settings = Settings::read(&|path| read_text(&folder.join(path), MAX_JSON))?;
        let again = (folder.to_owned(), weights.config.clone());
        let reload =
            move || Ok(read_weights(&again.0, &again.1, options, FiniteCheck::Read)?.tensors);
        let parts = Parts {
            name: folder.display().to_string(),
            weights,
            tokenizer,
            settings,
            reload: Some(Box::new(reload)),
        };
        Model::new(parts, device)
    }
}

/// The configuration of a folder.
///
/// # Errors
/// When `config.json` is missing or cannot be used.
pub fn read_config(folder: &Path) -> Result<ModelConfig, Error> {
    let path = folder.join("config.json");
    let Some(text) = read_text(&path, MAX_JSON)? else {
        return Err(FileError::Io {
            action: "open",
            path,
            source: io::ErrorKind::NotFound.into(),
            help: "name a model's folder, which holds config.json".into(),
        }
        .into());
    };
    ModelConfig::from_json(&text)
        .map_err(|source| Error::Config { file: path.display().to_string(), source })
}

/// Whether a tensor stays mapped and unread: the word embeddings, of which a text touches a few rows,
/// and the copy of them that is the decoder's.
pub(crate) fn mapped(name: &str) -> bool {
    name.ends_with("word_embeddings.weight") || name.ends_with("cls.predictions.decoder.weight")
}

/// The weights of a folder.
pub(crate) fn read_weights(
    folder: &Path,
    config: &ModelConfig,
    options: OpenOptions,
    finite: FiniteCheck,
) -> Result<Weights, Error> {
    let load = LoadOptions { map: &mapped, finite, ..LoadOptions::default() };
    let files = Safetensors::open(folder)?;
    let wanted: Vec<&str> = files
        .tensors()
        .filter(|t| !t.name.ends_with("position_ids"))
        .map(|t| t.name.as_str())
        .collect();
    let tensors = files.load(&wanted, &load)?;
    let strict = m2_nn::LoadOptions { strict: options.strict };
    Checkpoint::new(tensors)
        .and_then(|checkpoint| checkpoint.load(config, strict))
        .map_err(|e| Error::checkpoint(folder.display().to_string(), e))
}

/// The tokenizer of a folder, if it has one.
///
/// # Errors
/// When a file is there and cannot be used.
pub fn read_tokenizer(folder: &Path) -> Result<Option<Tokenizer>, Error> {
    type Make = fn(&str) -> Result<Tokenizer, m2_data::TokenizerError>;
    let make: [(&str, Make); 2] = [
        ("tokenizer.json", |text| Tokenizer::from_json(text.as_bytes())),
        ("vocab.txt", Tokenizer::from_vocab),
    ];
    for (name, make) in make {
        let path = folder.join(name);
        if let Some(text) = read_text(&path, MAX_TOKENIZER)? {
            return make(&text)
                .map(Some)
                .map_err(|source| Error::Tokenizer { file: folder.display().to_string(), source });
        }
    }
    Ok(None)
}

/// The text of a file; `None` where there is none.
fn read_text(path: &PathBuf, limit: u64) -> Result<Option<String>, Error> {
    let len = match fs::metadata(path) {
        Ok(m) => m.len(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(FileError::io("open", path, e).into()),
    };
    if len > limit {
        let expected = format!("at most {limit}");
        let file = path.display().to_string();
        return Err(FileError::malformed(&file, "", format!("{len} bytes"), expected, "").into());
    }
    Ok(Some(fs::read_to_string(path).map_err(|e| FileError::io("read", path, e))?))
}
