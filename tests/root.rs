//! All tests that look at M2 from outside its crates.

mod bad_input;
mod cli;
mod dependencies;
mod devices;
mod golden_layers;
mod golden_models;
mod golden_ops;
mod golden_tree;
mod gpu_faults;
mod gpu_halves;
mod gpu_long;
mod identities;
mod ops;
mod passes;
mod shapes;
mod support;
