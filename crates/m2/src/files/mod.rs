//! Files: weights, vectors and models on disk, read as if every byte were hostile.
//!
//! | file | for |
//! |---|---|
//! | `safetensors` | weights: one file, a sharded folder, or bytes in memory |
//! | `torch` (with `pickle` and `archive`) | PyTorch `.pt`/`.bin` checkpoints, read without running anything |
//! | `npy` | matrices of vectors, written row by row |
//! | `atomic`, `part` | whole files that appear at once, and long ones that survive a kill |
//! | `cache`, `packages`, `hub` | where models lie on this machine, and how they get there |
//!
//! Every error names the file, the tensor or entry, what was found, what was expected, and what to
//! do about it.

mod bytes;
mod error;
pub mod safetensors;

#[cfg(not(target_arch = "wasm32"))]
mod archive;
#[cfg(not(target_arch = "wasm32"))]
pub mod atomic;
#[cfg(not(target_arch = "wasm32"))]
pub mod cache;
#[cfg(not(target_arch = "wasm32"))]
mod hash;
#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
pub mod hub;
#[cfg(not(target_arch = "wasm32"))]
pub mod npy;
#[cfg(not(target_arch = "wasm32"))]
pub mod packages;
#[cfg(not(target_arch = "wasm32"))]
pub mod part;
#[cfg(not(target_arch = "wasm32"))]
mod pickle;
#[cfg(not(target_arch = "wasm32"))]
mod read;
#[cfg(not(target_arch = "wasm32"))]
pub mod torch;

pub use error::FileError;
