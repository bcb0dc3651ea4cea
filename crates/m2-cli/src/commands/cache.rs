//! `m2 cache`

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use m2::files::cache::{Locations, folder_size};
use serde_json::json;

use crate::{
    args::{Cache, CacheAction},
    exit::Outcome,
};

/// Something in a cache.
struct Entry {
    kind: &'static str,
    name: String,
    path: PathBuf,
    bytes: u64,
}

pub fn run(a: &Cache) -> anyhow::Result<Outcome> {
    let entries = entries(&Locations::from_env());
    match &a.action {
        CacheAction::Ls { json } => list(&entries, *json)?,
        CacheAction::Rm { name } => remove(&entries, name)?,
    }
    Ok(Outcome::Done)
}

fn list(entries: &[Entry], as_json: bool) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        let all: Vec<_> = entries
            .iter()
            .map(|e| json!({"kind": e.kind, "name": e.name, "bytes": e.bytes, "path": e.path}))
            .collect();
        writeln!(out, "{}", json!(all))?;
        return Ok(());
    }
    for e in entries {
        writeln!(out, "{:<6} {:>8} MB  {}", e.kind, e.bytes.div_ceil(1_000_000), e.name)?;
    }
    Ok(())
}

fn remove(entries: &[Entry], name: &str) -> anyhow::Result<()> {
    let Some(entry) = entries.iter().find(|e| e.name == name) else {
        bail!("the cache holds no `{name}`; `m2 cache ls` lists what it holds");
    };
    let removed = match entry.path.is_dir() {
        true => fs::remove_dir_all(&entry.path),
        false => fs::remove_file(&entry.path),
    };
    removed.with_context(|| format!("cannot delete {}", entry.path.display()))?;
    eprintln!("m2: deleted {} ({} MB)", entry.path.display(), entry.bytes.div_ceil(1_000_000));
    Ok(())
}

fn entries(locations: &Locations) -> Vec<Entry> {
    let mut all = Vec::new();
    for (path, name) in children(&locations.models()) {
        if path.is_dir() && !name.starts_with('.') {
            all.push(Entry { kind: "model", bytes: folder_size(&path), name, path });
        }
    }
    for (path, name) in children(&locations.hub) {
        if let Some(repo) = name.strip_prefix("models--") {
            let name = repo.replacen("--", "/", 1);
            all.push(Entry { kind: "hub", bytes: folder_size(&path), name, path });
        }
    }
    for (path, name) in children(&super::search::indexes(locations)) {
        if let Some(name) = name.strip_suffix(".sqlite") {
            let bytes = path.metadata().map_or(0, |m| m.len());
            all.push(Entry { kind: "index", name: name.to_owned(), bytes, path });
        }
    }
    all
}

/// Paths and names in a folder, sorted; none where there is no folder.
fn children(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<_> =
        entries.map(|e| (e.path(), e.file_name().to_string_lossy().into_owned())).collect();
    all.sort();
    all
}
