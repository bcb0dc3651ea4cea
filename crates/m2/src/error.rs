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
        source: m2_nn::CheckpointError,
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
    /// A golden folder cannot be used.
    #[error("{0}")]
    Golden(String),
}
