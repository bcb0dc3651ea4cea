//! Golden trees: `tests/golden`, or the one that `M2_GOLDEN_DIR` names.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use m2::files::safetensors::{FiniteCheck, LoadOptions, Safetensors};
use m2_ir::HostTensor;
use serde_json::Value;

pub type Tensors = BTreeMap<String, HostTensor>;

/// A tree laid out as `tests/golden`.
pub struct Tree {
    pub root: PathBuf,
    /// Whether it is the repository's own, in which every file must be known.
    pub own: bool,
}

/// The tree that the tests read.
pub fn tree() -> Tree {
    match std::env::var_os("M2_GOLDEN_DIR") {
        Some(dir) => Tree { root: dir.into(), own: false },
        None => Tree { root: Path::new(env!("CARGO_MANIFEST_DIR")).join("golden"), own: true },
    }
}

impl Tree {
    /// The folder of models, layers and operators.
    pub fn m2bert(&self) -> PathBuf {
        self.root.join("m2bert")
    }

    /// Folders of `m2bert` whose names begin with one of these.
    ///
    /// In the repository's own tree each prefix has a folder; elsewhere missing ones are printed.
    pub fn folders(&self, prefixes: &[&str]) -> Vec<PathBuf> {
        self.matching(&self.m2bert(), prefixes, Path::is_dir)
    }

    /// Files of `m2bert/ops` whose names begin with one of these.
    pub fn ops(&self, prefixes: &[&str]) -> Vec<OpFile> {
        let manifest = self.manifest();
        let files = self.matching(&self.m2bert().join("ops"), prefixes, Path::is_file);
        files.iter().map(|f| OpFile::open(f, &manifest)).collect()
    }

    fn matching(&self, dir: &Path, prefixes: &[&str], kind: fn(&Path) -> bool) -> Vec<PathBuf> {
        let all = entries(dir);
        let mut out = Vec::new();
        for prefix in prefixes {
            let of_prefix = |p: &&PathBuf| kind(p) && name(p).starts_with(prefix);
            let found: Vec<_> = all.iter().filter(of_prefix).cloned().collect();
            assert!(!self.own || !found.is_empty(), "{}: no {prefix}*", dir.display());
            if found.is_empty() {
                println!("{}: no {prefix}*, nothing to compare", dir.display());
            }
            out.extend(found);
        }
        out.sort();
        out.dedup();
        out
    }

    /// `m2bert/manifest.json`.
    pub fn manifest(&self) -> Value {
        json(&self.m2bert().join("manifest.json"))
    }
}

/// The entries of a folder in order.
pub fn entries(dir: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut out: Vec<PathBuf> = read.map(|e| e.unwrap().path()).collect();
    out.sort();
    out
}

/// The last part of a path.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

pub fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub fn tensors(path: &Path) -> Tensors {
    let options = LoadOptions { finite: FiniteCheck::Never, ..LoadOptions::default() };
    let file = Safetensors::open(path).unwrap();
    file.load_all(&options).unwrap()
}

/// `err_abs` of a file's tensors in the manifest, by its path from `m2bert`.
pub fn err_abs(manifest: &Value, file: &str, tensor: &str) -> f64 {
    manifest[file]["tensors"][tensor]["err_abs"].as_f64().unwrap_or(0.0)
}

/// An operator's file: `in.*`, `out.*`, switches in `params`.
pub struct OpFile {
    pub path: PathBuf,
    pub name: String,
    pub tensors: Tensors,
    pub params: Value,
    pub note: String,
    manifest: Value,
}

impl OpFile {
    pub fn open(path: &Path, manifest: &Value) -> Self {
        let name = name(path);
        let entry = &manifest[format!("ops/{name}")];
        OpFile {
            path: path.into(),
            tensors: tensors(path),
            params: entry["params"].clone(),
            note: entry["note"].as_str().unwrap_or_default().into(),
            manifest: entry.clone(),
            name,
        }
    }

    /// A tensor that the file must have.
    pub fn get(&self, tensor: &str) -> &HostTensor {
        let missing = || panic!("{}: no tensor {tensor}", self.path.display());
        self.tensors.get(tensor).unwrap_or_else(missing)
    }

    /// A switch that the manifest must have.
    pub fn number(&self, param: &str) -> f64 {
        let missing = || panic!("{}: params have no number {param}", self.path.display());
        self.params[param].as_f64().unwrap_or_else(missing)
    }

    /// What float32 rounding costs the reference in an output.
    pub fn err_abs(&self, tensor: &str) -> f64 {
        self.manifest["tensors"][tensor]["err_abs"].as_f64().unwrap_or(0.0)
    }

    /// Names of all outputs.
    pub fn outputs(&self) -> Vec<String> {
        self.tensors.keys().filter(|n| n.starts_with("out.")).cloned().collect()
    }
}
