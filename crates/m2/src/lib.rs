//! m2

pub mod files;
