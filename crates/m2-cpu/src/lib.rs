//! CPU kernels of M2: packed matrix products, vectorised functions, and the pool of threads they
//! run on.

pub mod aligned;
pub mod gemm;
pub mod isa;
pub mod math;
pub mod pool;
mod simd;
#[cfg(test)]
mod testing;

pub use aligned::{AlignedVec, OutOfMemory};
pub use isa::Isa;
pub use pool::Pool;
