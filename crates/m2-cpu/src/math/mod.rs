//! Element-wise functions and row reductions on f32 slices, vectorised for each instruction set.
//!
//! Each function is a plain loop compiled once per instruction set. Where fused multiply-adds
//! exist the results are the same bits on all of them, since reductions always use the same
//! number of partial sums.

mod elementwise;
mod exp;
mod gelu;
mod rows;

pub use elementwise::{add, exp, gelu, gelu_mul, mul, sin, tanh};
pub use rows::{dot, layer_norm, softmax};

#[cfg(test)]
mod tests;
