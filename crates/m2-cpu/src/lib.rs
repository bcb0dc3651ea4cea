//! CPU kernels of M2: packed matrix products, vectorised functions, and the pool of threads they
//! run on.

pub mod aligned;
pub mod array;
mod backend;
pub mod conv;
mod engine;
mod error;
pub mod gemm;
pub mod isa;
pub mod math;
mod ops;
pub mod peak;
pub mod pool;
pub mod real;
pub mod reference;
mod simd;
#[cfg(test)]
mod testing;

pub use aligned::{AlignedVec, OutOfMemory};
pub use backend::CpuBackend;
pub use engine::{CpuProgram, CpuRun, CpuWeights};
pub use error::Error;
pub use isa::Isa;
pub use pool::Pool;
