//! All tests that look at M2 from outside its crates.

mod golden_layers;
mod golden_models;
mod golden_ops;
mod golden_tree;
mod ops;
mod support;
