//! Short programs that use M2, for copying: `cargo run --release -p m2-examples --example embed`.
