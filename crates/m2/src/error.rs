//! Everything that can go wrong in the library.

use crate::files::FileError;

/// An error of the library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read or written, or is not what it should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// A configuration cannot be used.
    #[error("{file}: {source}")]
    Config {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: m2_nn::ConfigError,
    },
    /// Weights do not make the model that the configuration describes.
    #[error("{file}: {source}")]
    Checkpoint {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: Box<m2_nn::CheckpointError>,
    },
    /// A graph or plan cannot be built.
    #[error(transparent)]
    Graph(#[from] m2_ir::Error),
    /// Rows do not fit a batch.
    #[error(transparent)]
    Rows(#[from] m2_ir::RowError),
    /// A batch does not fit a plan.
    #[error(transparent)]
    Batch(#[from] m2_ir::BatchError),
    /// The CPU backend failed.
    #[error(transparent)]
    Cpu(#[from] m2_cpu::Error),
    /// The GPU backend failed.
    #[cfg(feature = "gpu")]
    #[error(transparent)]
    Gpu(#[from] m2_wgpu::Error),
    /// A program was handed to a device that did not make it.
    #[error("this program belongs to another device")]
    OtherDevice,
    /// A file about texts (pooling, prompts, lengths) cannot be used.
    #[error("{file} {what}")]
    Settings {
        /// The file, relative to the model's folder.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// A tokenizer cannot be read, or fails.
    #[error("{file}: {source}")]
    Tokenizer {
        /// The file or folder.
        file: String,
        /// What is wrong with it.
        source: m2_data::TokenizerError,
    },
    /// There is no such model on this machine.
    #[error(
        "there is no model `{name}` on this machine; fetch it with `m2 pull {name}`, or name a folder"
    )]
    NoModel {
        /// What was asked for.
        name: String,
    },
    /// A model cannot do what it is asked for.
    #[error("{model}: {what}")]
    Model {
        /// The model's folder.
        model: String,
        /// What is missing, and what to do.
        what: String,
    },
    /// A text cannot be used.
    #[error("text {index}: {what}")]
    Text {
        /// Its place among the texts given, from 0.
        index: usize,
        /// What is wrong with it.
        what: String,
    },
    /// An index of documents cannot be used.
    #[error("{file}: {what}")]
    Index {
        /// The index file.
        file: String,
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// A golden folder cannot be used.
    #[error("{0}")]
    Golden(String),
}

impl Error {
    pub(crate) fn checkpoint(file: String, source: m2_nn::CheckpointError) -> Self {
        Error::Checkpoint { file, source: Box::new(source) }
    }
}
