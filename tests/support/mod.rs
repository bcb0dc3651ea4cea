//! What the tests share: random numbers, golden trees, graphs with their data.

pub mod case;
pub mod device;
pub mod golden;
pub mod house;
pub mod random;
