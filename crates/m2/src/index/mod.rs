//! A searchable index of documents: one SQLite file that any SQLite client reads.
//!
//! | table | a row is |
//! |---|---|
//! | `meta` | key and value: format, model, documents |
//! | `files` | a document: path below the documents' folder, size, time, SHA-256 |
//! | `chunks` | a piece of a document: its characters, its text, its vector (f32, little-endian, length 1) |
//! | `words` | FTS5 over the chunks' texts |
//!
//! A document and its chunks are written in one transaction, so a killed update loses whole
//! documents only, and the next one adds them.

mod documents;
mod score;
mod search;
mod update;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OptionalExtension};

use crate::{Encoder, Error, files::FileError};

pub use documents::{MAX_DOCUMENT, is_document};
pub use search::{Hit, Mode};
pub use update::{Skipped, Update};

/// Changes with the tables.
const FORMAT: &str = "m2 index 1";

const TABLES: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE files (
        id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE,
        size INTEGER NOT NULL, modified INTEGER NOT NULL, sha256 TEXT NOT NULL);
    CREATE TABLE chunks (
        id INTEGER PRIMARY KEY, file INTEGER NOT NULL REFERENCES files (id),
        start INTEGER NOT NULL, end INTEGER NOT NULL, text TEXT NOT NULL, vector BLOB NOT NULL);
    CREATE INDEX chunks_by_file ON chunks (file);
    CREATE VIRTUAL TABLE words USING fts5 (text, content = 'chunks', content_rowid = 'id');
    CREATE TRIGGER chunk_added AFTER INSERT ON chunks BEGIN
        INSERT INTO words (rowid, text) VALUES (new.id, new.text);
    END;
    CREATE TRIGGER chunk_removed AFTER DELETE ON chunks BEGIN
        INSERT INTO words (words, rowid, text) VALUES ('delete', old.id, old.text);
    END;";

/// An index of documents.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
    db: Connection,
}

impl Index {
    /// Opens the index in a file, or makes an empty one where there is none, or where `rebuild`.
    ///
    /// # Errors
    /// [`Error::Index`] when the file is no index, or was made with another model or padding, in
    /// words that say so.
    pub fn open(path: &Path, encoder: &Encoder, rebuild: bool) -> Result<Self, Error> {
        if rebuild {
            remove(path)?;
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| FileError::io("create", folder, e))?;
        }
        let wrap = |e| error(path, e);
        let db = Connection::open(path).map_err(wrap)?;
        db.busy_timeout(std::time::Duration::from_secs(10)).map_err(wrap)?;
        let mut index = Index { path: path.to_owned(), db };
        let model = encoder.identity()?;
        let tables: i64 = index
            .db
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(wrap)?;
        if tables == 0 {
            index.create(&model)?;
        }
        index.check(&model)?;
        Ok(index)
    }

    fn create(&mut self, model: &str) -> Result<(), Error> {
        let made = (|| {
            let change = self.db.transaction()?;
            change.execute_batch(TABLES)?;
            let mut put = change.prepare("INSERT INTO meta VALUES (?1, ?2)")?;
            put.execute(["format", FORMAT])?;
            put.execute(["model", model])?;
            drop(put);
            change.commit()
        })();
        made.map_err(|e| error(&self.path, e))
    }

    fn check(&self, model: &str) -> Result<(), Error> {
        let found = self.meta("format").ok().flatten();
        if found.as_deref() != Some(FORMAT) {
            return Err(self.refused("it is no index of this version; make it anew with --rebuild"));
        }
        if self.meta("model")?.as_deref() != Some(model) {
            return Err(self.refused(
                "it was made with another model, pooling, padding or length, and its vectors \
                 cannot be compared; use that model, or make it anew with --rebuild",
            ));
        }
        Ok(())
    }

    fn meta(&self, key: &str) -> Result<Option<String>, Error> {
        self.db
            .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .map_err(|e| error(&self.path, e))
    }

    /// Number of documents and of chunks.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn counts(&self) -> Result<(u64, u64), Error> {
        let count = "SELECT (SELECT count(*) FROM files), (SELECT count(*) FROM chunks)";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        let (files, chunks) =
            self.db.query_row(count, [], read).map_err(|e| error(&self.path, e))?;
        Ok((files as u64, chunks as u64))
    }

    fn refused(&self, what: &str) -> Error {
        Error::Index { file: self.path.display().to_string(), what: what.to_owned() }
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(FileError::io("remove", path, e).into())
        }
        _ => Ok(()),
    }
}

/// What SQLite says, with what to do about it.
fn error(path: &Path, e: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{
        DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase,
    };
    let help = match e.sqlite_error_code() {
        Some(NotADatabase) => "; it is no index: name another file, or make it anew with --rebuild",
        Some(DatabaseCorrupt) => "; it is damaged: make it anew with --rebuild",
        Some(DatabaseBusy | DatabaseLocked) => "; another process is updating it: wait for it",
        Some(DiskFull) => "; the disk is full: free some space and run again, nothing is lost",
        _ => "",
    };
    Error::Index { file: path.display().to_string(), what: format!("{e}{help}") }
}

#[cfg(test)]
mod tests;
