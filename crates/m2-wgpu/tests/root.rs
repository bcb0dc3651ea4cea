//! All tests of the GPU backend against f64, in one program.

mod common;
mod convolutions;
mod norms;
mod ops;
mod pieces;
mod products;
mod replay;
