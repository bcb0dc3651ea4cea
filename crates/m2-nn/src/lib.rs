//! Models: their configurations, parameters, checkpoints and initial weights.
//!
//! Nothing here opens a file: JSON text, bytes and named tensors come in, values go out.

#[cfg(test)]
mod testing;

pub mod blocks;
pub mod checkpoint;
pub mod config;
pub mod finite;
pub mod infer;
pub mod init;
pub mod models;
pub mod params;
pub mod presets;
pub mod tables;

pub use checkpoint::{Checkpoint, CheckpointError, LoadOptions, Weights};
pub use config::{Architecture, ConfigError, ModelConfig, Padding};
pub use params::{Heads, Init, Kind, ParamSpec, Part, parameters};
