//! Bounded reads of one file by several threads.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
};

use super::FileError;

/// Largest single read: stays in the second-level cache, where a check right after it is free.
const CHUNK: usize = 512 * 1024;

/// A file that was opened once and whose length was taken once.
pub(crate) struct OpenFile {
    pub path: PathBuf,
    pub len: u64,
    file: File,
}

impl OpenFile {
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let file = File::open(path).map_err(|e| FileError::io("open", path, e))?;
        let meta = file.metadata().map_err(|e| FileError::io("open", path, e))?;
        if !meta.is_file() {
            let what = if meta.is_dir() { "a folder" } else { "no regular file" };
            let name = path.display().to_string();
            return Err(FileError::malformed(&name, "", what, "a file", "name a file in it"));
        }
        Ok(OpenFile { path: path.to_owned(), len: meta.len(), file })
    }

    /// Fills `buffer` from `offset` on.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), FileError> {
        read_exact_at(&self.file, buffer, offset).map_err(|e| FileError::io("read", &self.path, e))
    }

    /// Maps the whole file.
    pub fn map(&self) -> Result<memmap2::Mmap, FileError> {
        // SAFETY: the mapping is read-only and private to this process. Its bytes change only if
        // another process writes to the weights in place while they are in use, which no tool that
        // replaces files by rename does; every bit pattern is a valid element, so the worst outcome
        // of a write is a wrong number.
        unsafe { memmap2::MmapOptions::new().map(&self.file) }
            .map_err(|e| FileError::io("map", &self.path, e))
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buffer.is_empty() {
        match file.seek_read(buffer, offset) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                buffer = &mut buffer[n..];
                offset += n as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// A piece of work for [`run_pieces`].
pub(crate) enum Piece<'a> {
    /// Fill the buffer from a file.
    Read { file: &'a OpenFile, offset: u64, into: &'a mut [u8] },
    /// Look at bytes that are already there.
    Look(&'a [u8]),
}

/// Looks at a chunk: the tag of its piece, its byte offset within the piece, and its bytes.
pub(crate) type Check<'a, T> = dyn Fn(T, usize, &[u8]) -> Result<(), FileError> + Sync + 'a;

/// Carries out all pieces in chunks on up to `threads` threads.
///
/// `check` sees each chunk while it is in the cache. The error of the earliest failing chunk is
/// returned.
pub(crate) fn run_pieces<'a, T: Copy + Send + 'a>(
    pieces: Vec<(T, Piece<'a>)>,
    threads: usize,
    check: &Check<'_, T>,
) -> Result<(), FileError> {
    let mut chunks = Vec::new();
    for (tag, piece) in pieces {
        match piece {
            Piece::Read { file, offset, into } => {
                for (i, into) in into.chunks_mut(CHUNK).enumerate() {
                    let start = i * CHUNK;
                    let piece = Piece::Read { file, offset: offset + start as u64, into };
                    chunks.push((chunks.len(), tag, start, piece));
                }
            }
            Piece::Look(bytes) => {
                for (i, bytes) in bytes.chunks(CHUNK).enumerate() {
                    chunks.push((chunks.len(), tag, i * CHUNK, Piece::Look(bytes)));
                }
            }
        }
    }
    let threads = threads.clamp(1, chunks.len().max(1));
    let queue = Mutex::new(chunks.into_iter());
    let failure = Mutex::new(None::<(usize, FileError)>);
    let work = || {
        while let Some((order, tag, start, piece)) = lock(&queue).next() {
            let result = match piece {
                Piece::Read { file, offset, into } => {
                    file.read_exact_at(into, offset).and_then(|()| check(tag, start, into))
                }
                Piece::Look(bytes) => check(tag, start, bytes),
            };
            if let Err(e) = result {
                let mut failure = lock(&failure);
                if failure.as_ref().is_none_or(|(first, _)| order < *first) {
                    *failure = Some((order, e));
                }
                // Chunks before this one are taken already; those after it cannot be earlier.
                return;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    match failure.into_inner() {
        Ok(Some((_, e))) => Err(e),
        _ => Ok(()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
