//! What lies in a golden tree: every file is known, and what is not compared is said.

use std::path::Path;

use crate::support::golden::{entries, name, tree};

/// What the suite does with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// Compared by a test of this suite, or read by one.
    Compared,
    /// For training: listed, never counted as passed.
    NotYet,
    Unknown,
}

fn of_folder(folder: &str, file: &str) -> Use {
    let model = ["m2_", "hfbert_", "alibi_"].iter().any(|p| folder.starts_with(p));
    match file {
        "config.json" | "io.safetensors" if model || folder.starts_with("layer") => Use::Compared,
        "model.safetensors" | "io_f64.safetensors" if model => Use::Compared,
        "weights.json" | "weights_check.safetensors" if folder.starts_with("layer") => {
            Use::Compared
        }
        "grads.safetensors" if model || folder.starts_with("layer") => Use::NotYet,
        _ if folder.starts_with("train_") => Use::NotYet,
        _ => Use::Unknown,
    }
}

fn of_operator(file: &str) -> Use {
    let compared = [
        "attention_pooler",
        "blockdiag_linear",
        "blockdiag_multiply",
        "butterfly_",
        "fftconv_",
        "filter_",
        "pointwise",
        "shortconv_",
    ];
    let not_yet = ["embedding_losses", "optimiser"];
    let begins = |list: &[&str]| list.iter().any(|p| file.starts_with(p));
    match file.strip_suffix(".safetensors") {
        Some(_) if begins(&compared) => Use::Compared,
        Some(_) if begins(&not_yet) => Use::NotYet,
        _ => Use::Unknown,
    }
}

fn of_top(root: &Path, out: &mut Vec<(String, Use)>) {
    for path in entries(root) {
        let top = name(&path);
        match (top.as_str(), path.is_dir()) {
            ("README.md", false) => {}
            // Files of PyTorch are read by the conversion's tests.
            ("checkpoints", true) => {
                let all = entries(&path).into_iter();
                out.extend(all.map(|p| (format!("{top}/{}", name(&p)), Use::Compared)));
            }
            ("m2bert", true) => of_m2bert(&path, out),
            ("hyena", true) => out.extend(
                entries(&path).into_iter().map(|p| (format!("{top}/{}", name(&p)), Use::NotYet)),
            ),
            _ => out.push((top, Use::Unknown)),
        }
    }
}

fn of_m2bert(root: &Path, out: &mut Vec<(String, Use)>) {
    for path in entries(root) {
        let folder = name(&path);
        if !path.is_dir() {
            let known = ["manifest.json", "README.md", "TENSORS.md"].contains(&folder.as_str());
            let what = if known { Use::Compared } else { Use::Unknown };
            out.push((format!("m2bert/{folder}"), what));
            continue;
        }
        for file in entries(&path) {
            let file = name(&file);
            let what = match folder.as_str() {
                "ops" => of_operator(&file),
                _ => of_folder(&folder, &file),
            };
            out.push((format!("m2bert/{folder}/{file}"), what));
        }
    }
}

#[test]
fn golden_tree_is_known() {
    let tree = tree();
    let mut files = Vec::new();
    of_top(&tree.root, &mut files);
    let of = |what: Use| files.iter().filter(move |f| f.1 == what).map(|f| f.0.as_str());
    for file in of(Use::NotYet) {
        println!("not yet: {file}");
    }
    for file in of(Use::Unknown) {
        println!("unknown: {file}");
    }
    println!(
        "{}: {} files read, {} not yet (training), {} unknown",
        tree.root.display(),
        of(Use::Compared).count(),
        of(Use::NotYet).count(),
        of(Use::Unknown).count()
    );
    assert!(of(Use::Compared).count() > 0, "{}: nothing to compare", tree.root.display());
    // Another tree may hold what a later version knows.
    assert!(!tree.own || of(Use::Unknown).count() == 0, "unknown files in tests/golden");
}
