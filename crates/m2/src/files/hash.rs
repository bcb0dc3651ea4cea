//! SHA-256 of files, as lower-case hex.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use sha2::{Digest, Sha256};

use super::FileError;

/// Hex digest of some bytes.
#[cfg(test)]
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).as_slice())
}

/// Hex digest of a file's content.
pub(crate) fn sha256_file(path: &Path) -> Result<String, FileError> {
    let mut file = File::open(path).map_err(|e| FileError::io("open", path, e))?;
    let mut hash = HashWriter::new(io::sink());
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = file.read(&mut buffer).map_err(|e| FileError::io("read", path, e))?;
        if n == 0 {
            return Ok(hash.restart());
        }
        hash.hash.update(&buffer[..n]);
    }
}

/// Passes bytes on and digests them.
pub(crate) struct HashWriter<W> {
    pub inner: W,
    hash: Sha256,
}

impl<W> HashWriter<W> {
    pub fn new(inner: W) -> Self {
        HashWriter { inner, hash: Sha256::new() }
    }

    /// Hex digest of what was written since the beginning or the last call.
    pub fn restart(&mut self) -> String {
        hex(self.hash.finalize_reset().as_slice())
    }
}

impl<W: Write> Write for HashWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|b| format!("{b:02x}")).collect()
}
