//! The workspace's packages, and the programs that it builds.

use std::{
    env::consts::EXE_SUFFIX,
    path::{Path, PathBuf},
    process::Command,
    sync::Once,
};

use serde_json::Value;

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// `cargo metadata` of the workspace with all features.
pub fn metadata() -> Value {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--all-features", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// Path of the command `m2`, built if it is not there.
pub fn m2() -> PathBuf {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| build(&["-p", "m2-cli"]));
    profile().join(format!("m2{EXE_SUFFIX}"))
}

/// Path of a program of `examples/`, built if it is not there.
pub fn example(name: &str) -> PathBuf {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| build(&["-p", "m2-examples", "--examples"]));
    profile().join("examples").join(format!("{name}{EXE_SUFFIX}"))
}

/// The profile's folder of build outputs, in a sub-folder of which this test binary lies.
fn profile() -> PathBuf {
    let mut dir = std::env::current_exe().unwrap();
    dir.pop();
    if dir.ends_with("deps") {
        dir.pop();
    }
    dir
}

fn build(what: &[&str]) {
    let dir = profile();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet"]).args(what).current_dir(root());
    if dir.ends_with("release") {
        cargo.arg("--release");
    }
    cargo.arg("--target-dir").arg(dir.parent().unwrap());
    assert!(cargo.status().unwrap().success(), "{what:?} does not build");
}
