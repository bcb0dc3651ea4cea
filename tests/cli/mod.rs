//! The command, run as users run it.

mod bench;
mod convert;
mod embed;
mod examples;
mod fill;
mod graph;
mod help;
mod init;
mod inspect;
mod search;
mod vectors;

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::house::m2;

/// What a run said.
struct Run {
    code: i32,
    out: String,
    err: String,
}

/// Runs `m2` with these arguments.
fn run<S: AsRef<OsStr>>(args: &[S]) -> Run {
    run_of(Command::new(m2()).args(args))
}

fn run_of(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

impl Run {
    /// The run did what it was asked for.
    fn done(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self
    }

    /// The run was refused, and said all of `parts`.
    fn refused(self, parts: &[&str]) {
        assert_eq!(self.code, 2, "{}{}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        for part in parts {
            assert!(self.err.contains(part), "no {part:?} in: {}", self.err);
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }
}

/// A folder with the config.json of a small M2-BERT, whose vocabulary is BERT's.
fn small() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("small.json");
    let text = r#"{"monarch_mixer_sequence_mixing": true, "vocab_size": 30528, "hidden_size": 16,
        "intermediate_size": 32, "num_hidden_layers": 2, "max_position_embeddings": 128}"#;
    fs::write(&config, text).unwrap();
    (dir, config)
}

/// The same with a model of that configuration in `model`.
fn small_model(seed: &str) -> (TempDir, PathBuf) {
    let (dir, config) = small();
    let model = dir.path().join("model");
    run(&["init", text(&config), "--seed", seed, "-o", text(&model)]).done();
    (dir, model)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
