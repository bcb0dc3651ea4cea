//! Which files are documents, and what their text is.

use std::{
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use crate::{Error, files::FileError};

/// Larger files are skipped, in bytes.
pub const MAX_DOCUMENT: u64 = 10 << 20;

/// Extensions of texts and of source text.
const EXTENSIONS: &[&str] = &[
    "txt", "md", "markdown", "html", "htm", "xhtml", "rst", "adoc", "org", "tex", "rs", "py",
    "pyi", "js", "mjs", "cjs", "jsx", "ts", "tsx", "c", "h", "cc", "cpp", "cxx", "hh", "hpp", "cu",
    "cuh", "java", "kt", "kts", "go", "rb", "php", "swift", "m", "mm", "cs", "fs", "scala", "clj",
    "hs", "ml", "ex", "exs", "erl", "lua", "pl", "pm", "r", "jl", "dart", "zig", "nim", "sh",
    "bash", "zsh", "fish", "ps1", "bat", "sql", "wgsl", "glsl", "hlsl", "metal", "css", "scss",
    "vue", "svelte", "toml", "yaml", "yml", "ini", "cfg", "cmake", "proto", "graphql", "vim", "el",
    "lisp",
];

/// A file that may be a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub path: PathBuf,
    /// The path below the documents' folder, with `/`.
    pub name: String,
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified: i64,
}

/// Whether a file in a folder counts as a document, by its name.
pub fn is_document(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str())
}

/// The documents below a folder in the order of their paths, or the one file. Hidden files, those
/// that `.gitignore` names and links are left out.
pub(super) fn find(docs: &Path) -> Result<Vec<Found>, Error> {
    let meta = fs::metadata(docs).map_err(|e| FileError::io("open", docs, e))?;
    if meta.is_file() {
        let name = docs.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Ok(vec![found(docs.to_owned(), name, &meta)]);
    }
    let walk = ignore::WalkBuilder::new(docs)
        .follow_links(false)
        .require_git(false)
        .sort_by_file_path(Path::cmp)
        .build();
    let mut all = Vec::new();
    // What cannot be looked at is left out, like what may not be read.
    for entry in walk.flatten() {
        let regular = entry.file_type().is_some_and(|t| t.is_file());
        if let (true, true, Ok(meta)) = (regular, is_document(entry.path()), entry.metadata()) {
            let below = entry.path().strip_prefix(docs).unwrap_or(entry.path());
            let parts: Vec<_> = below.iter().map(|p| p.to_string_lossy()).collect();
            all.push(found(entry.path().to_owned(), parts.join("/"), &meta));
        }
    }
    Ok(all)
}

fn found(path: PathBuf, name: String, meta: &fs::Metadata) -> Found {
    let age = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    let modified = age.and_then(|d| i64::try_from(d.as_nanos()).ok()).unwrap_or(0);
    Found { path, name, size: meta.len(), modified }
}

/// The text of a document's bytes; the reason where it has none.
pub(super) fn text(path: &Path, bytes: Vec<u8>) -> Result<String, String> {
    if bytes.contains(&0) {
        return Err("it is not text".into());
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        format!("it is not UTF-8: byte {} is invalid", e.utf8_error().valid_up_to() + 1)
    })?;
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" | "xhtml" => Ok(m2_data::strip_tags(&text)),
        _ => Ok(text),
    }
}
