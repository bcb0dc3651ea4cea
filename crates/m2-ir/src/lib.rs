//! The graph of an M2 model, and everything that can be known about it without running it.

mod dtype;
mod host;

pub use dtype::DType;
pub use host::{HostTensor, HostTensorError, bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16};
