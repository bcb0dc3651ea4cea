//! Making a model's folder: all of it appears at once, or nothing.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use m2_data::BERT_BASE_UNCASED_VOCAB;
use m2_ir::HostTensor;
use m2_nn::ModelConfig;

use crate::{
    Error,
    files::{FileError, atomic, safetensors},
};

/// What a folder gets.
#[derive(Debug)]
pub struct NewFolder<'a> {
    /// `config.json`.
    pub config: &'a ModelConfig,
    /// `model.safetensors`.
    pub tensors: &'a BTreeMap<String, HostTensor>,
    /// Files that are copied under their names: a tokenizer's.
    pub copies: &'a [PathBuf],
}

/// Files that say how texts are tokenised and pooled; they belong to a model's folder.
pub const TEXT_FILES: [&str; 6] = [
    "tokenizer.json",
    "vocab.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
];

impl NewFolder<'_> {
    /// Writes the folder. Without a tokenizer among the copies it gets the vocabulary of
    /// bert-base-uncased, where the model has a row for each of its tokens.
    ///
    /// With `force` the files of a folder that is there are replaced, else only an empty one is used.
    ///
    /// # Errors
    /// When the folder holds something, or the disk is full; then nothing is left behind.
    pub fn write(&self, folder: &Path, force: bool) -> Result<(), Error> {
        match Self::check(folder, force)? {
            Found::Model => {
                self.no_strangers(folder)?;
                return self.fill(folder);
            }
            Found::Empty => {
                fs::remove_dir(folder).map_err(|e| FileError::io("replace", folder, e))?;
            }
            Found::Nothing => {}
        }
        let temporary = beside(folder)?;
        fs::create_dir_all(&temporary).map_err(|e| FileError::io("create", &temporary, e))?;
        let done = self.fill(&temporary).and_then(|()| {
            fs::rename(&temporary, folder).map_err(|e| FileError::io("create", folder, e).into())
        });
        if done.is_err() {
            // Nothing better can be done about a second failure.
            let _ = fs::remove_dir_all(&temporary);
        }
        done
    }

    /// Whether a folder can be written, before minutes of work instead of after.
    ///
    /// # Errors
    /// When it holds something and may not be replaced, or cannot be looked into.
    pub fn check(folder: &Path, force: bool) -> Result<Found, Error> {
        match fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
            Ok(true) if force => Ok(Found::Model),
            Ok(true) => {
                let help = "name another folder, or replace its files with --force";
                Err(malformed(folder, "a folder with files".into(), help))
            }
            Ok(false) => Ok(Found::Empty),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
            Err(e) => Err(FileError::io("open", folder, e).into()),
        }
    }

    /// Refuses to leave files of the model that is replaced that would speak for the new one.
    fn no_strangers(&self, folder: &Path) -> Result<(), Error> {
        let copied = |name: &str| self.copies.iter().any(|c| c.ends_with(name));
        let stays = ["model.safetensors.index.json", "modules.json"].into_iter().chain(TEXT_FILES);
        let stays = stays.filter(|name| *name != "vocab.txt" && !copied(name));
        match stays.into_iter().find(|name| folder.join(name).exists()) {
            None => Ok(()),
            Some(name) => {
                let help = "remove it first: it would be taken for the new model's";
                Err(malformed(folder, format!("{name} of another model"), help))
            }
        }
    }

    fn fill(&self, folder: &Path) -> Result<(), Error> {
        for from in self.copies {
            let to = folder.join(from.file_name().unwrap_or_default());
            let bytes = fs::read(from).map_err(|e| FileError::io("read", from, e))?;
            atomic::write(&to, |out| out.write_all(&bytes))?;
        }
        let copied = |name: &str| self.copies.iter().any(|c| c.ends_with(name));
        let vocabulary = folder.join("vocab.txt");
        if !copied("tokenizer.json") && !copied("vocab.txt") {
            if self.config.vocab_size >= BERT_BASE_UNCASED_VOCAB.lines().count() {
                atomic::write(&vocabulary, |out| {
                    out.write_all(BERT_BASE_UNCASED_VOCAB.as_bytes())
                })?;
            } else if vocabulary.exists() {
                fs::remove_file(&vocabulary)
                    .map_err(|e| FileError::io("replace", &vocabulary, e))?;
            }
        }
        let config = self.config.to_json();
        atomic::write(&folder.join("config.json"), |out| out.write_all(config.as_bytes()))?;
        let tensors = self.tensors.iter().map(|(name, t)| (name.as_str(), t));
        safetensors::write(&folder.join("model.safetensors"), tensors, &BTreeMap::new())?;
        Ok(())
    }
}

/// What is where a model's folder is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// An empty folder.
    Empty,
    /// Files, which may be replaced.
    Model,
}

fn malformed(folder: &Path, found: String, help: &str) -> Error {
    let folder = folder.display().to_string();
    FileError::malformed(&folder, "", found, "an empty or a new folder", help).into()
}

/// A name beside the folder, on the same disk.
fn beside(folder: &Path) -> Result<PathBuf, Error> {
    let name = folder
        .file_name()
        .ok_or_else(|| FileError::io("create", folder, io::ErrorKind::InvalidFilename.into()))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.tmp", std::process::id()));
    Ok(folder.with_file_name(hidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_appears_whole_and_is_not_overwritten() {
        let text = r#"{"model_type": "bert", "vocab_size": 40, "hidden_size": 8,
            "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}"#;
        let config = ModelConfig::from_json(text).unwrap();
        let heads = m2_nn::Heads { mlm: true, pooler: true, classifier: false };
        let tensors = m2_nn::init::init(&config, heads, 3);
        let new = NewFolder { config: &config, tensors: &tensors, copies: &[] };
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("model");
        new.write(&folder, false).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(!folder.join("vocab.txt").exists());
        let device = crate::Device::cpu(1);
        let model = crate::Model::open(&folder, device, crate::OpenOptions { strict: true });
        assert_eq!(model.unwrap().config(), &config);
        let e = new.write(&folder, false).unwrap_err().to_string();
        assert!(e.contains("--force"), "{e}");
        new.write(&folder, true).unwrap();
        fs::write(folder.join("tokenizer.json"), "{}").unwrap();
        let e = new.write(&folder, true).unwrap_err().to_string();
        assert!(e.contains("tokenizer.json"), "{e}");

        let missing = NewFolder { copies: &[dir.path().join("nothing")], ..new };
        let other = dir.path().join("other");
        assert!(missing.write(&other, false).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
