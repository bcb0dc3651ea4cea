//! Weights in the safetensors format: a file, a sharded folder, or bytes in memory.
//!
//! ```no_run
//! use m2::files::safetensors::{LoadOptions, Safetensors};
//! # fn main() -> Result<(), m2::files::FileError> {
//! let file = Safetensors::open("model.safetensors".as_ref())?;
//! let options = LoadOptions { map: &|name| name.ends_with("word_embeddings.weight"), ..LoadOptions::default() };
//! let weights = file.load_all(&options)?;
//! # Ok(())
//! # }
//! ```
//!
//! Opening reads and checks the headers only; loading reads each wanted byte once.

mod header;
mod load;
#[cfg(not(target_arch = "wasm32"))]
mod open;
mod write;

use std::{collections::HashMap, sync::Arc};

pub use header::TensorInfo;
use header::{Header, header_len};
pub use load::{FiniteCheck, LoadOptions, TensorMap};
pub use write::to_bytes;
#[cfg(not(target_arch = "wasm32"))]
pub use write::write;

use super::FileError;

/// The checked headers of one or more safetensors files.
pub struct Safetensors {
    shards: Vec<Shard>,
    /// Name → (shard, position in the shard's header).
    index: HashMap<String, (usize, usize)>,
}

struct Shard {
    /// The name that messages use.
    name: String,
    header: Header,
    source: Source,
}

enum Source {
    #[cfg(not(target_arch = "wasm32"))]
    File(super::read::OpenFile),
    Bytes(Arc<dyn AsRef<[u8]> + Send + Sync>),
}

impl Safetensors {
    /// Reads the header of a file that is already in memory; `name` is what messages call it.
    ///
    /// # Errors
    /// [`FileError::Malformed`] when the bytes are not exactly one well-formed file.
    pub fn from_bytes(
        name: &str,
        bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
    ) -> Result<Self, FileError> {
        let all = (*bytes).as_ref();
        let len = all.len() as u64;
        let header = header_len(name, all.get(..8).unwrap_or(all), len)?;
        // `header_len` has checked that this range lies in the file.
        let header = Header::parse(name, &all[8..8 + header as usize], len)?;
        Self::from_shards(vec![Shard {
            name: name.to_owned(),
            header,
            source: Source::Bytes(bytes.clone()),
        }])
    }

    fn from_shards(shards: Vec<Shard>) -> Result<Self, FileError> {
        let mut index = HashMap::new();
        for (s, shard) in shards.iter().enumerate() {
            for (t, tensor) in shard.header.tensors.iter().enumerate() {
                if let Some((first, _)) = index.insert(tensor.name.clone(), (s, t)) {
                    let first: &Shard = &shards[first];
                    return Err(FileError::malformed(
                        &shard.name,
                        format!("tensor '{}'", super::error::clip(&tensor.name)),
                        format!("a second copy of the one in {}", first.name),
                        "each tensor in one file of the folder",
                        super::error::DAMAGED,
                    ));
                }
            }
        }
        Ok(Safetensors { shards, index })
    }

    /// All tensors, in the order of the files and of their headers.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorInfo> {
        self.shards.iter().flat_map(|s| &s.header.tensors)
    }

    /// One tensor by name.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.index.get(name).map(|&(s, t)| &self.shards[s].header.tensors[t])
    }

    /// A string of the files' `__metadata__`; the first file that has it wins.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.shards.iter().find_map(|s| s.header.metadata.get(key)).map(String::as_str)
    }

    /// The file that messages about tensor `name` should name; the first file for unknown names.
    pub fn file_of(&self, name: &str) -> &str {
        let shard = self.index.get(name).map_or(0, |&(s, _)| s);
        self.shards.get(shard).map_or("", |s| &s.name)
    }
}

#[cfg(test)]
mod tests;
