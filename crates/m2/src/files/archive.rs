//! Zip archives (PyTorch checkpoints, Python wheels) from hands one does not trust.

use std::{
    fs::File,
    io::{BufReader, Read, Write},
    path::Path,
};

use zip::{CompressionMethod, ZipArchive};

use super::{
    FileError,
    bytes::AlignedBytes,
    error::{DAMAGED, clip},
};

/// Most entries an archive may have.
const MAX_ENTRIES: usize = 100_000;
/// Most bytes all entries of an archive may unpack to.
const MAX_TOTAL: u64 = 64 << 30;
/// Most bytes an entry may unpack to per packed byte once it is larger than [`FREE`]. Deflate
/// reaches 1032 on zeros; weights and text stay under 20.
const MAX_RATIO: u64 = 200;
/// Unpacked size from which the ratio counts.
const FREE: u64 = 16 << 20;

/// An open archive whose directory has been checked.
pub(crate) struct Archive {
    /// What messages call it.
    pub name: String,
    zip: ZipArchive<BufReader<File>>,
    entries: Vec<Entry>,
}

/// A file in an archive.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its relative path, with `/`, without `.` or `..`.
    pub name: String,
    /// Its unpacked size as the directory says; never more is unpacked.
    pub size: u64,
    index: usize,
}

impl Archive {
    /// Opens an archive and refuses one that tries to be a bomb or to leave its folder.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|e| FileError::io("open", path, e))?;
        let len = file.metadata().map_err(|e| FileError::io("open", path, e))?.len();
        let zip = ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(&name, "", &e))?;
        let mut archive = Archive { name, zip, entries: Vec::new() };
        archive.check(len)?;
        Ok(archive)
    }

    fn check(&mut self, file_len: u64) -> Result<(), FileError> {
        let bad = |name: &str, item: String, found: String, expected: String| {
            let help = "the archive is damaged or malicious: do not use it";
            Err(FileError::malformed(name, item, found, expected, help))
        };
        let name = self.name.clone();
        if self.zip.len() > MAX_ENTRIES {
            let found = format!("{} entries", self.zip.len());
            return bad(&name, String::new(), found, format!("at most {MAX_ENTRIES}"));
        }
        let (mut packed, mut unpacked) = (0u64, 0u64);
        for index in 0..self.zip.len() {
            let entry = self.zip.by_index_data(index).map_err(|e| damaged(&name, "", &e))?;
            let path = entry.name().map_err(|e| damaged(&name, "", &e))?.into_owned();
            let item = format!("entry '{}'", clip(&path));
            if !is_inside(&path) {
                return bad(&name, item, "a path that leaves the archive".into(), "a path".into());
            }
            if path.ends_with('/') {
                continue;
            }
            if entry.encrypted() || entry.is_symlink() {
                return bad(&name, item, "an encrypted file or link".into(), "a file".into());
            }
            let method = entry.compression();
            if !matches!(method, CompressionMethod::Stored | CompressionMethod::Deflated) {
                let found = format!("compression {method}");
                return bad(&name, item, found, "stored or deflated".into());
            }
            let size = entry.size();
            packed = packed.saturating_add(entry.compressed_size());
            unpacked = unpacked.saturating_add(size);
            if size > FREE && size / MAX_RATIO > entry.compressed_size() {
                let found = format!("{size} bytes from {}", entry.compressed_size());
                return bad(&name, item, found, format!("at most {MAX_RATIO}-fold unpacking"));
            }
            self.entries.push(Entry { name: path, size, index });
        }
        if packed > file_len || unpacked > MAX_TOTAL {
            let found = format!("{unpacked} bytes packed into {packed}");
            let expected = format!("at most {MAX_TOTAL} in a file of {file_len}");
            return bad(&name, String::new(), found, expected);
        }
        Ok(())
    }

    /// The files of the archive.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Unpacks one file into memory and checks its CRC.
    pub fn read(&mut self, entry: &Entry) -> Result<AlignedBytes, FileError> {
        let wrong = |e: &dyn std::fmt::Display, name: &str| {
            damaged(name, &format!("entry '{}'", clip(&entry.name)), e)
        };
        let size = usize::try_from(entry.size).map_err(|e| wrong(&e, &self.name))?;
        let mut file = self.zip.by_index(entry.index).map_err(|e| wrong(&e, &self.name))?;
        let mut out = AlignedBytes::zeroed(size);
        file.read_exact(out.as_mut()).map_err(|e| wrong(&e, &self.name))?;
        // The CRC is compared at the end of the file, so the end has to be seen.
        match file.read(&mut [0]) {
            Ok(0) => Ok(out),
            Ok(_) => Err(wrong(&"it is longer than the directory says", &self.name)),
            Err(e) => Err(wrong(&e, &self.name)),
        }
    }

    /// Unpacks one file into `out`, an open file called `to`, and checks its CRC.
    pub fn copy(&mut self, entry: &Entry, out: &mut dyn Write, to: &Path) -> Result<(), FileError> {
        let item = format!("entry '{}'", clip(&entry.name));
        let file = self.zip.by_index(entry.index).map_err(|e| damaged(&self.name, &item, &e))?;
        let mut file = file.take(entry.size + 1);
        let mut buffer = vec![0; 1 << 17];
        let mut copied = 0;
        loop {
            match file.read(&mut buffer).map_err(|e| damaged(&self.name, &item, &e))? {
                0 => break,
                n => {
                    copied += n as u64;
                    out.write_all(&buffer[..n]).map_err(|e| FileError::io("write", to, e))?;
                }
            }
        }
        if copied == entry.size {
            return Ok(());
        }
        let found = format!("more or less than {} bytes", entry.size);
        Err(FileError::malformed(&self.name, item, found, "the size in the directory", DAMAGED))
    }
}

/// Whether a path stays inside the folder it is unpacked into, on every system.
pub(crate) fn is_inside(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    !path.contains(['\\', ':', '\0']) && path.split('/').all(|p| !matches!(p, "" | "." | ".."))
}

fn damaged(name: &str, item: &str, e: &dyn std::fmt::Display) -> FileError {
    FileError::malformed(name, item, clip(&e.to_string()), "a sound zip archive", DAMAGED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zip::{ZipWriter, write::SimpleFileOptions};

    fn archive(entries: &[(&str, &[u8])]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.zip");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        for (name, data) in entries {
            zip.start_file(*name, deflated).unwrap();
            zip.write_all(data).unwrap();
        }
        zip.finish().unwrap();
        (dir, path)
    }

    #[test]
    fn paths_that_leave_are_recognised() {
        for good in ["a", "a/b", "a/.hidden", "a..b/c", "dir/"] {
            assert!(is_inside(good), "{good}");
        }
        for bad in ["", "/a", "../a", "a/../b", "a/..", "./a", "a//b", "c:\\a", "a\\..\\b", "C:a"] {
            assert!(!is_inside(bad), "{bad}");
        }
    }

    #[test]
    fn traversal_and_bombs_are_refused() {
        let (_dir, path) = archive(&[("ok", b"x"), ("../evil", b"y")]);
        let e = Archive::open(&path).err().unwrap().to_string();
        assert!(e.contains("'../evil'") && e.contains("leaves the archive"), "{e}");

        let (_dir, path) = archive(&[("zeros", &vec![0; 40 << 20])]);
        let e = Archive::open(&path).err().unwrap().to_string();
        assert!(e.contains("'zeros'") && e.contains("unpacking"), "{e}");
    }

    #[test]
    fn files_come_out_whole() {
        let text = b"some text ".repeat(1000);
        let (_dir, path) = archive(&[("a/b", &text), ("empty", b"")]);
        let mut archive = Archive::open(&path).unwrap();
        let entries = archive.entries().to_vec();
        assert_eq!(archive.read(&entries[0]).unwrap().as_ref(), text);
        assert!(archive.read(&entries[1]).unwrap().as_ref().is_empty());
        let mut out = Vec::new();
        archive.copy(&entries[0], &mut out, &path).unwrap();
        assert_eq!(out, text);
    }
}
