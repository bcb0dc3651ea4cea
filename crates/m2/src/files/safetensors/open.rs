//! Opening safetensors files and sharded folders.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

use super::{Header, Safetensors, Shard, Source, header_len};
use crate::files::{
    FileError,
    error::{DAMAGED, clip},
    read::OpenFile,
};

/// The file of an unsharded folder.
const SINGLE: &str = "model.safetensors";
/// The list of shards of a sharded folder.
const INDEX: &str = "model.safetensors.index.json";
/// Longest index that is read.
const MAX_INDEX: u64 = 64 << 20;

impl Safetensors {
    /// Opens a safetensors file, a `*.index.json` beside its shards, or a folder that holds
    /// `model.safetensors` or `model.safetensors.index.json`, and checks all headers.
    ///
    /// # Errors
    /// [`FileError::Io`] when a file cannot be read, [`FileError::Malformed`] when it lies.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        if path.is_dir() {
            let single = path.join(SINGLE);
            let index = path.join(INDEX);
            return match (single.exists(), index.exists()) {
                (true, _) => Self::open(&single),
                (false, true) => open_index(&index),
                (false, false) => Err(FileError::malformed(
                    &path.display().to_string(),
                    "",
                    "no weights",
                    format!("{SINGLE} or {INDEX}"),
                    "name a folder with safetensors weights, or make one from a PyTorch checkpoint \
                     with `m2 convert`",
                )),
            };
        }
        if path.extension().is_some_and(|e| e == "json") {
            return open_index(path);
        }
        Self::from_shards(vec![open_one(path)?])
    }
}

fn open_one(path: &Path) -> Result<Shard, FileError> {
    let file = OpenFile::open(path)?;
    let name = path.display().to_string();
    let mut prefix = [0; 8];
    let prefix = &mut prefix[..file.len.min(8) as usize];
    file.read_exact_at(prefix, 0)?;
    let len = header_len(&name, prefix, file.len)?;
    let mut json = vec![0; len as usize];
    file.read_exact_at(&mut json, 8)?;
    let header = Header::parse(&name, &json, file.len)?;
    Ok(Shard { name, header, source: Source::File(file) })
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

fn open_index(path: &Path) -> Result<Safetensors, FileError> {
    let name = path.display().to_string();
    let bad = |item: String, found: String, expected: &str| {
        FileError::malformed(&name, item, found, expected, DAMAGED)
    };
    let len = fs::metadata(path).map_err(|e| FileError::io("open", path, e))?.len();
    if len > MAX_INDEX {
        return Err(bad(String::new(), format!("{len} bytes"), "an index of at most 64 MiB"));
    }
    let json = fs::read(path).map_err(|e| FileError::io("read", path, e))?;
    let index: Index = serde_json::from_slice(&json).map_err(|e| {
        let found = format!("invalid JSON ({})", clip(&e.to_string()));
        bad(String::new(), found, "an object with 'weight_map'")
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut files: Vec<&String> = index.weight_map.values().collect();
    files.sort();
    files.dedup();
    let mut shards = Vec::with_capacity(files.len());
    for file in files {
        let plain = Path::new(file).file_name().is_some_and(|f| f == file.as_str());
        if !plain || file.contains(['/', '\\', ':']) {
            let item = format!("shard '{}'", clip(file));
            return Err(bad(item, "a path".to_owned(), "the name of a file in the same folder"));
        }
        shards.push(open_one(&folder.join(file))?);
    }
    let all = Safetensors::from_shards(shards)?;
    for (tensor, file) in &index.weight_map {
        let found = all.index.get(tensor).map(|&(s, _)| &all.shards[s].name);
        if found.is_none_or(|f| *f != folder.join(file).display().to_string()) {
            return Err(bad(
                format!("tensor '{}'", clip(tensor)),
                format!("an entry that says it is in {file}, where it is not"),
                "an index that fits its shards",
            ));
        }
    }
    Ok(all)
}
