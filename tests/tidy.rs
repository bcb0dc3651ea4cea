//! The house's own rules: heads of files, siblings of ops, sizes.

use std::{fs, path::Path};

use crate::support::{
    golden::name,
    house::{files, root, sources},
};

#[test]
fn every_file_says_what_it_is_for() {
    let all = sources("rs");
    assert!(all.len() > 100, "{} sources found", all.len());
    for path in all {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{}: does not open with //!", path.display());
    }
}

#[test]
fn no_trailing_space_and_one_newline_at_the_end() {
    for ending in ["rs", "wgsl", "toml"] {
        for path in sources(ending) {
            let text = fs::read_to_string(&path).unwrap();
            let bad = text.lines().position(|l| l.ends_with([' ', '\t']));
            assert!(bad.is_none(), "{}:{}: trailing space", path.display(), bad.unwrap_or(0) + 1);
            let one = text.ends_with('\n') && !text.ends_with("\n\n");
            assert!(one || text.is_empty(), "{}: no single newline at its end", path.display());
        }
    }
}

fn ops_of(dir: &Path) -> Vec<String> {
    let list = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let names = list.map(|e| name(&e.unwrap().path()));
    let mut ops: Vec<String> = names.filter_map(|n| Some(n.strip_suffix(".rs")?.into())).collect();
    // `epilogue` is what products do at their end, `mod` the list.
    ops.retain(|n| n != "mod" && n != "epilogue");
    ops.sort();
    ops
}

/// An op is found by its name in every crate.
#[test]
fn ops_have_siblings() {
    let root = root();
    let ops = ops_of(&root.join("crates/m2-ir/src/ops"));
    assert!(ops.len() > 20);
    for op in &ops {
        let file = format!("{op}.rs");
        assert!(root.join("tests/ops").join(&file).exists(), "no tests/ops/{file}");
        // A reshape moves nothing.
        let on_cpu = root.join("crates/m2-cpu/src/ops").join(&file).exists();
        assert!(on_cpu || op == "reshape", "no crates/m2-cpu/src/ops/{file}");
    }
    for op in ops_of(&root.join("crates/m2-cpu/src/ops")) {
        assert!(ops.contains(&op), "crates/m2-cpu/src/ops/{op}.rs is no op of m2-ir");
    }
    for op in &ops {
        let file = root.join("crates/m2-wgpu/src/ops").join(format!("{op}.rs"));
        assert!(file.exists(), "no {}", file.display());
        let own = root.join("shaders").join(op).is_dir();
        let shares = SHARED_KERNELS.contains(&op.as_str());
        assert!(
            own != shares,
            "shaders/{op}: expected {}",
            if shares { "none" } else { "kernels" }
        );
    }
    for op in ops_of(&root.join("crates/m2-wgpu/src/ops")) {
        let known = ops.contains(&op) || SHARING_OPS.contains(&op.as_str());
        assert!(known, "crates/m2-wgpu/src/ops/{op}.rs is no op of m2-ir");
    }
    for entry in fs::read_dir(root.join("shaders")).unwrap() {
        let path = entry.unwrap().path();
        let kernels =
            path.is_dir() && fs::read_dir(&path).unwrap().any(|f| is_wgsl(&f.unwrap().path()));
        let folder = name(&path);
        let known =
            ops.contains(&folder) || SHARING_OPS.contains(&folder.as_str()) || folder == "prelude";
        assert!(!kernels || known, "shaders/{folder} belongs to no op");
    }
}

/// Ops that run kernels of others: products those of `matmul`, moves those of `copy`; the text of an
/// elementwise kernel is written from its expression, and a reshape runs none.
const SHARED_KERNELS: [&str; 8] =
    ["block_diag_matmul", "concat", "elementwise", "monarch", "pad", "permute", "reshape", "slice"];

/// What several ops of m2-wgpu share: moves, products, Fourier transforms.
const SHARING_OPS: [&str; 3] = ["copy", "product", "transform"];

fn is_wgsl(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "wgsl")
}

fn bytes_below(dir: &Path) -> u64 {
    let mut all = Vec::new();
    files(dir, &mut all);
    all.iter().map(|p| fs::metadata(p).unwrap().len()).sum()
}

#[test]
fn the_repository_stays_small() {
    let golden = bytes_below(&root().join("tests/golden"));
    assert!(golden <= 6_000_000, "tests/golden has {golden} bytes");
    let all: u64 = ["crates", "shaders", "tests", "examples", "web"]
        .iter()
        .map(|top| root().join(top))
        .filter(|dir| dir.exists())
        .map(|dir| bytes_below(&dir))
        .sum();
    assert!(all <= 30_000_000, "the repository has {all} bytes");
}

/// Files small enough to read at one sitting; printed so that a room that grew is seen.
#[test]
fn files_stay_readable() {
    let mut lengths: Vec<(usize, String)> = sources("rs")
        .iter()
        .map(|p| (fs::read_to_string(p).unwrap().lines().count(), p.display().to_string()))
        .collect();
    lengths.sort();
    println!("{} files, median {} lines", lengths.len(), lengths[lengths.len() / 2].0);
    for (lines, path) in lengths.iter().rev().take(10) {
        println!("{lines:5} {path}");
    }
    let (lines, path) = lengths.last().unwrap();
    assert!(*lines <= 1000, "{path} has {lines} lines");
    assert!(lengths[lengths.len() / 2].0 <= 200, "the median file is too long");
}

/// Names of ops are one noun in types, files and dumps.
#[test]
fn ops_are_named_as_their_files() {
    use m2_ir::{Op, ops::*};
    let some: [Op; 6] = [
        LongConv.into(),
        QueryAttention.into(),
        Softmax.into(),
        PoolRows.into(),
        Gather.into(),
        ConvPair.into(),
    ];
    let ops = ops_of(&root().join("crates/m2-ir/src/ops"));
    for op in some {
        assert!(ops.iter().any(|o| o == op.name()), "{}", op.name());
    }
}
