//! The repository as files and packages, for the tests of its own rules.

use std::{
    env::consts::EXE_SUFFIX,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Once,
};

use serde_json::Value;

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// All files below a folder, build outputs and hidden folders left out.
pub fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.unwrap().path();
        let name = super::golden::name(&path);
        if path.is_dir() {
            let built = name.starts_with("target") || name == "node_modules" || name == "pkg";
            let hidden = name.starts_with('.') && name != ".ci";
            if !(built || hidden) {
                files(&path, out);
            }
        } else {
            out.push(path);
        }
    }
}

/// Source files of the repository with the given ending.
pub fn sources(ending: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let tops = ["crates", "shaders", "tests", "examples"].map(|top| root().join(top));
    for top in tops.iter().filter(|top| top.exists()) {
        files(top, &mut all);
    }
    all.retain(|p| p.extension().is_some_and(|e| e == ending));
    all.sort();
    all
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
