//! Bringing an index up to date with its documents.

use std::{collections::HashMap, fs, path::Path};

use m2_data::{Chunk, ChunkSize, chunks};
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use super::{
    Index,
    documents::{self, Found, MAX_DOCUMENT},
    error,
    score::unit,
};
use crate::{Encoder, Error};

/// Chunks that are embedded together: enough to fill batches of similar lengths.
const TOGETHER: usize = 256;

/// What an update did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Documents that are new or changed.
    pub added: usize,
    /// Documents that are gone.
    pub removed: usize,
    /// Documents that are as they were.
    pub kept: usize,
    /// Documents that could not be used.
    pub skipped: Vec<Skipped>,
    /// Whether the caller ended it before all documents were done.
    pub stopped: bool,
}

/// A document that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its path.
    pub path: String,
    /// Why.
    pub why: String,
}

/// A document on its way into the index.
struct Pending {
    found: Found,
    sha256: String,
    text: String,
    chunks: Vec<Chunk>,
}

/// What becomes of a document.
enum Decision {
    Keep,
    Skip(String),
    Add(Pending),
}

struct Known {
    id: i64,
    size: u64,
    modified: i64,
    sha256: String,
}

impl Index {
    /// Adds the documents of a folder, or one file, that are new or changed, and removes those that
    /// are gone. After each document `go_on` gets how many are done and how many there are; where it
    /// says no, the update ends, and the next one goes on.
    ///
    /// # Errors
    /// When the documents cannot be listed, a chunk cannot be embedded, or the index cannot be
    /// written.
    pub fn update(
        &mut self,
        docs: &Path,
        encoder: &mut Encoder,
        go_on: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Update, Error> {
        let files = documents::find(docs)?;
        let mut known = self.known()?;
        let mut update = Update::default();
        let mut pending: Vec<Pending> = Vec::new();
        for (i, found) in files.iter().enumerate() {
            let old = known.remove(&found.name);
            match self.look(found, old.as_ref(), encoder)? {
                Decision::Keep => update.kept += 1,
                Decision::Add(document) => pending.push(document),
                Decision::Skip(why) => {
                    let path = found.path.display().to_string();
                    update.skipped.push(Skipped { path, why });
                    old.map_or(Ok(()), |o| self.forget(o.id))?;
                }
            }
            let full = pending.iter().map(|p| p.chunks.len()).sum::<usize>() >= TOGETHER;
            if full || i + 1 == files.len() {
                update.added += self.add(encoder, std::mem::take(&mut pending))?;
            }
            if !go_on(i + 1, files.len()) {
                update.stopped = true;
                return Ok(update);
            }
        }
        for gone in known.into_values() {
            self.forget(gone.id)?;
            update.removed += 1;
        }
        Ok(update)
    }

    fn known(&self) -> Result<HashMap<String, Known>, Error> {
        let read: rusqlite::Result<_> = (|| {
            let mut all = self.db.prepare("SELECT path, id, size, modified, sha256 FROM files")?;
            let rows = all.query_map([], |row| {
                let size: i64 = row.get(2)?;
                let known = Known {
                    id: row.get(1)?,
                    size: size as u64,
                    modified: row.get(3)?,
                    sha256: row.get(4)?,
                };
                Ok((row.get(0)?, known))
            })?;
            rows.collect()
        })();
        read.map_err(|e| error(&self.path, e))
    }

    /// Decides about one document.
    fn look(
        &self,
        found: &Found,
        old: Option<&Known>,
        encoder: &Encoder,
    ) -> Result<Decision, Error> {
        if old.is_some_and(|o| o.size == found.size && o.modified == found.modified) {
            return Ok(Decision::Keep);
        }
        if found.size > MAX_DOCUMENT {
            let why = format!("it has {} bytes; at most {MAX_DOCUMENT} are read", found.size);
            return Ok(Decision::Skip(why));
        }
        let bytes = match fs::read(&found.path) {
            Ok(bytes) => bytes,
            Err(e) => return Ok(Decision::Skip(e.to_string())),
        };
        let sha256: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        if let Some(old) = old.filter(|o| o.sha256 == sha256) {
            self.touch(old.id, found)?;
            return Ok(Decision::Keep);
        }
        let text = match documents::text(&found.path, bytes) {
            Ok(text) => text,
            Err(why) => return Ok(Decision::Skip(why)),
        };
        let tokenizer = encoder.model().tokenizer()?;
        let mut size = ChunkSize::default();
        size.tokens = size.tokens.min(encoder.max_length().saturating_sub(tokenizer.frame_len()));
        let chunks = chunks(&text, tokenizer, size).map_err(|source| Error::Tokenizer {
            file: encoder.model().name().to_owned(),
            source,
        })?;
        Ok(Decision::Add(Pending { found: found.clone(), sha256, text, chunks }))
    }

    /// Embeds the chunks of several documents and writes all of them at once.
    fn add(&mut self, encoder: &mut Encoder, pending: Vec<Pending>) -> Result<usize, Error> {
        let texts: Vec<&str> = pending
            .iter()
            .flat_map(|p| p.chunks.iter().map(|c| &p.text[c.bytes.clone()]))
            .collect();
        let vectors = encoder.embed(&texts)?;
        let written = (|| {
            let change = self.db.transaction()?;
            let mut next = 0;
            for p in &pending {
                let file = insert_file(&change, p)?;
                let mut put = change.prepare_cached(
                    "INSERT INTO chunks (file, start, end, text, vector) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?;
                for chunk in &p.chunks {
                    let vector = unit(vectors.row(next));
                    let bytes: Vec<u8> = vector.iter().flat_map(|v| v.to_le_bytes()).collect();
                    let (start, end) = (chunk.chars.start as i64, chunk.chars.end as i64);
                    put.execute(params![file, start, end, texts[next], bytes])?;
                    next += 1;
                }
            }
            change.commit()
        })();
        written.map_err(|e| error(&self.path, e))?;
        Ok(pending.len())
    }

    fn forget(&self, file: i64) -> Result<(), Error> {
        let done = (|| {
            let change = self.db.unchecked_transaction()?;
            change.execute("DELETE FROM chunks WHERE file = ?1", [file])?;
            change.execute("DELETE FROM files WHERE id = ?1", [file])?;
            change.commit()
        })();
        done.map_err(|e| error(&self.path, e))
    }

    /// The same content under a new time.
    fn touch(&self, file: i64, found: &Found) -> Result<(), Error> {
        let sql = "UPDATE files SET size = ?2, modified = ?3 WHERE id = ?1";
        let size = found.size as i64;
        let done = self.db.execute(sql, params![file, size, found.modified]);
        done.map(drop).map_err(|e| error(&self.path, e))
    }
}

/// Writes the row of a document, in place of an older one and its chunks, and returns its id.
fn insert_file(db: &Connection, p: &Pending) -> rusqlite::Result<i64> {
    let name = &p.found.name;
    db.execute("DELETE FROM chunks WHERE file = (SELECT id FROM files WHERE path = ?1)", [name])?;
    db.execute("DELETE FROM files WHERE path = ?1", [name])?;
    db.execute(
        "INSERT INTO files (path, size, modified, sha256) VALUES (?1, ?2, ?3, ?4)",
        params![name, p.found.size as i64, p.found.modified, p.sha256],
    )?;
    Ok(db.last_insert_rowid())
}
