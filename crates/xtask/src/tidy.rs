//! Rules that no compiler checks. They hold for the files that git knows, and run as a test too.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::{
    licence,
    shell::{command, output, root},
};

/// Largest size of the repository's files, and of the golden ones among them, in bytes.
const REPOSITORY: u64 = 30_000_000;
const GOLDEN: u64 = 6_000_000;
/// What lies at the top, beside the folders of `ARCHITECTURE.md`.
const TOP: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitattributes",
    ".gitignore",
    "ARCHITECTURE.md",
    "BENCHMARKS.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "clippy.toml",
    "crates",
    "deny.toml",
    "examples",
    "rustfmt.toml",
    "shaders",
    "tests",
    "web",
];
/// Sizes from which a file or a function is listed.
const LONG_FILE: usize = 500;
const LONG_FUNCTION: usize = 80;
/// The most lines of a Rust file, and of the one in the middle.
const LONGEST: usize = 1000;
const MEDIAN: usize = 200;

/// `cargo xtask tidy`
pub fn chore(_: &[String]) -> Result<()> {
    let files = files()?;
    sizes(&files)?;
    let complaints = check(&files)?;
    for c in &complaints {
        println!("{c}");
    }
    match complaints.len() {
        0 => Ok(()),
        n => bail!("{n} things are untidy"),
    }
}

/// The files of the repository, also those that are not committed yet.
fn files() -> Result<Vec<String>> {
    let words = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let list = output(&mut command("git", &words))?;
    let mut files: Vec<String> = list
        .split('\0')
        .filter(|f| !f.is_empty() && root().join(f).is_file())
        .map(str::to_owned)
        .collect();
    files.sort();
    Ok(files)
}

/// Everything that is wrong.
fn check(files: &[String]) -> Result<Vec<String>> {
    let mut complaints = licence::check()?;
    let (mut all, mut golden) = (0, 0);
    for file in files {
        let path = root().join(file);
        let size = fs::metadata(&path).with_context(|| file.clone())?.len();
        all += size;
        golden += if file.starts_with("tests/golden/") { size } else { 0 };
        if is_text(file) {
            let text = fs::read_to_string(&path).with_context(|| file.clone())?;
            complaints.extend(text_rules(file, &text));
        }
    }
    for (what, size, limit) in [("all files", all, REPOSITORY), ("tests/golden", golden, GOLDEN)] {
        if size > limit {
            complaints.push(format!("{what}: {size} bytes, at most {limit}"));
        }
    }
    complaints.extend(top_level(files));
    complaints.extend(siblings(files));
    complaints.extend(too_long(lengths(files, ".rs")?));
    Ok(complaints)
}

fn is_text(file: &str) -> bool {
    let kinds = ["rs", "wgsl", "toml", "md", "mjs", "js", "ts", "json", "html", "css", "yml"];
    let kind = Path::new(file).extension().and_then(|e| e.to_str());
    // Golden files are as their generator wrote them.
    kind.is_some_and(|k| kinds.contains(&k)) && !file.starts_with("tests/golden/")
}

/// Rules for the text of one file.
fn text_rules(file: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if file.ends_with(".rs") && !text.starts_with("//!") {
        complaints.push(format!("{file}: does not open with `//!` and what it is for"));
    }
    if file.ends_with(".wgsl") && !text.starts_with("//") {
        complaints.push(format!("{file}: does not open with a comment that says what it is for"));
    }
    if !text.is_empty() && !text.ends_with('\n') || text.ends_with("\n\n") {
        complaints.push(format!("{file}: ends with one line break, no fewer, no more"));
    }
    for (i, line) in text.lines().enumerate() {
        let at = i + 1;
        if line.ends_with([' ', '\t', '\r']) {
            complaints.push(format!("{file}:{at}: white space at the end of the line"));
        }
        if line.contains('\t') && !file.ends_with(".md") {
            complaints.push(format!("{file}:{at}: a tab"));
        }
    }
    complaints
}

/// The top level stays as `ARCHITECTURE.md` shows it.
fn top_level(files: &[String]) -> Vec<String> {
    let found: BTreeSet<&str> = files.iter().filter_map(|f| f.split('/').next()).collect();
    found
        .iter()
        .filter(|name| !TOP.contains(name))
        .map(|name| format!("{name}: does not belong at the top"))
        .collect()
}

/// Where an op of the IR has a file of its name.
const OPS: &str = "crates/m2-ir/src/ops";
const SIBLINGS: &[&str] = &["crates/m2-cpu/src/ops", "crates/m2-wgpu/src/ops", "tests/ops"];
/// Files beside the ops' own: the list of them, the end of products, the comparison of tests.
const PARTS: &[&str] = &["mod", "epilogue", "check"];
/// What several ops of `m2-wgpu` share: moves, products, Fourier transforms.
const SHARED: &[&str] =
    &["bench", "copy", "cut", "norm", "passes", "product", "strided", "tiling", "transform"];
/// Ops that run kernels of others: products those of `matmul`, moves those of `copy`; the text of an
/// elementwise kernel is written from its expression, and a reshape runs none.
const BORROWERS: &[&str] = &[
    "block_diag_matmul",
    "concat",
    "elementwise",
    "monarch",
    "pad",
    "permute",
    "reshape",
    "slice",
];
/// A view: the CPU moves nothing.
const VIEWS: &[&str] = &["crates/m2-cpu/src/ops/reshape.rs"];

/// An op has a file of its name in each backend and among the tests, and nothing else has one there.
fn siblings(files: &[String]) -> Vec<String> {
    let rust = |folder: &str| -> BTreeSet<&str> {
        let names = files.iter().filter_map(|f| f.strip_prefix(folder)?.strip_prefix('/'));
        names.filter_map(|f| f.strip_suffix(".rs")).filter(|op| !PARTS.contains(op)).collect()
    };
    let ops = rust(OPS);
    let mut complaints = Vec::new();
    for folder in SIBLINGS {
        let found = rust(folder);
        let missing = ops.difference(&found).map(|op| format!("{folder}/{op}.rs"));
        complaints.extend(
            missing
                .filter(|file| !VIEWS.contains(&file.as_str()))
                .map(|file| format!("{file} is missing: every op has it")),
        );
        let others = found.difference(&ops).filter(|name| !SHARED.contains(name));
        complaints.extend(others.map(|name| format!("{folder}/{name}.rs is no op of m2-ir")));
    }
    let kernels = files.iter().filter_map(|f| f.strip_prefix("shaders/")?.split_once('/'));
    let folders: BTreeSet<&str> =
        kernels.filter(|(_, f)| f.ends_with(".wgsl")).map(|(folder, _)| folder).collect();
    let others = folders
        .iter()
        .filter(|name| !ops.contains(*name) && !SHARED.contains(name) && **name != "prelude");
    complaints.extend(others.map(|name| format!("shaders/{name} belongs to no op")));
    let own = ops.iter().filter(|op| folders.contains(*op) == BORROWERS.contains(op));
    complaints.extend(own.map(|op| match BORROWERS.contains(op) {
        true => format!("shaders/{op}: expected none, it runs kernels of others"),
        false => format!("shaders/{op} is missing: every other op has kernels"),
    }));
    complaints
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(root().join(file)).with_context(|| file.to_owned())
}

/// Lines of each file of a kind, the shortest first.
fn lengths<'a>(files: &'a [String], kind: &str) -> Result<Vec<(usize, &'a str)>> {
    let of_kind = files.iter().filter(|f| f.ends_with(kind));
    let mut all = of_kind
        .map(|file| Ok((read(file)?.lines().count(), file.as_str())))
        .collect::<Result<Vec<_>>>()?;
    all.sort_unstable();
    Ok(all)
}

/// Files are small enough to read at one sitting.
fn too_long(lengths: Vec<(usize, &str)>) -> Vec<String> {
    let long = lengths.iter().filter(|(lines, _)| *lines > LONGEST);
    let mut complaints: Vec<String> =
        long.map(|(lines, file)| format!("{file}: {lines} lines, at most {LONGEST}")).collect();
    if let Some((lines, _)) = lengths.get(lengths.len() / 2).filter(|(n, _)| *n > MEDIAN) {
        complaints.push(format!("the median file has {lines} lines, at most {MEDIAN}"));
    }
    complaints
}

/// Prints the lines per file, and what grew longer than a reader is grateful for.
fn sizes(files: &[String]) -> Result<()> {
    for kind in [".rs", ".wgsl"] {
        for file in files.iter().filter(|f| f.ends_with(kind)) {
            for (name, at, lines) in long_functions(&read(file)?) {
                println!("{file}:{at}: {name} has {lines} lines");
            }
        }
        let lengths = lengths(files, kind)?;
        for (lines, file) in lengths.iter().filter(|(n, _)| *n > LONG_FILE) {
            println!("{file}: {lines} lines");
        }
        let at = |percent: usize| lengths.get((lengths.len() - 1) * percent / 100).map(|l| l.0);
        if let (Some(median), Some(p90), Some((longest, file))) = (at(50), at(90), lengths.last()) {
            let count = lengths.len();
            println!(
                "{count} {kind} files; lines: median {median}, p90 {p90}, longest {longest} ({file})"
            );
        }
    }
    Ok(())
}

/// Functions of formatted Rust that are long, with their first line and length.
fn long_functions(text: &str) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut long = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let Some((before, name)) = line.split_once("fn ") else { continue };
        let is_item = before.split_whitespace().all(|word| {
            word.starts_with("pub") || ["const", "async", "unsafe", "extern"].contains(&word)
        });
        let indent = line.len() - line.trim_start().len();
        let close = format!("{}}}", " ".repeat(indent));
        let end = lines[i..].iter().position(|l| *l == close);
        if let (true, Some(end)) = (is_item, end) {
            let name = name.split(['(', '<']).next().unwrap_or(name);
            if end + 1 > LONG_FUNCTION {
                long.push((name.to_owned(), i + 1, end + 1));
            }
        }
    }
    long
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let complaints = check(&files().expect("git")).expect("readable files");
        assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    }

    #[test]
    fn untidy_text_is_seen() {
        assert_eq!(text_rules("a.rs", "//! Says what.\n\nfn f() {}\n"), Vec::<String>::new());
        for (file, text) in [
            ("a.rs", "fn f() {}\n"),
            ("a.wgsl", "fn f() {}\n"),
            ("a.md", "no line break"),
            ("a.md", "two\n\n"),
            ("a.md", "space \n"),
            ("a.toml", "a\t= 1\n"),
        ] {
            assert_eq!(text_rules(file, text).len(), 1, "{file}: {text:?}");
        }
        assert_eq!(top_level(&["notes.txt".into(), "README.md".into()]).len(), 1);
        let one = ["crates/m2-ir/src/ops/dft.rs".into()];
        assert_eq!(siblings(&one).len(), SIBLINGS.len() + 1, "files beside it, and its kernels");
        assert_eq!(too_long(vec![(1, "a.rs"), (201, "b.rs"), (1001, "c.rs")]).len(), 2);
        for file in ["tests/ops/dft.rs", "crates/m2-cpu/src/ops/dft.rs", "shaders/dft/dft.wgsl"] {
            assert_eq!(siblings(&[file.into()]).len(), 1, "{file}");
        }
    }

    #[test]
    fn long_functions_are_seen() {
        let body = "    x();\n".repeat(100);
        let text = format!("fn short() {{\n    x();\n}}\n\npub fn long(a: u8) {{\n{body}}}\n");
        assert_eq!(long_functions(&text), [("long".to_owned(), 5, 102)]);
    }
}
