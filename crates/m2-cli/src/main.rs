//! m2-cli
fn main() {}
