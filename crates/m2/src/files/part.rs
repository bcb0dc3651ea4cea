//! Long outputs that survive a kill: `FILE.part`, with a journal of what is safe in it.
//!
//! Rows are appended to `FILE.part`. At every checkpoint the rows reach the disk first, then one
//! line in `FILE.part.journal` says how many rows and bytes are there and what the SHA-256 of the
//! bytes since the line before is. [`PartFile::resume`] goes back to the last line whose bytes are
//! whole and drops what follows. [`PartFile::finish`] gives the file its name, so that a file under
//! the final name is always complete.
//!
//! Invariant: bytes that a whole journal line covers were on the disk before that line was.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{FileError, atomic::sync_folder, error::clip, hash::HashWriter};

/// How much work a kill may cost.
#[derive(Debug, Clone, Copy)]
pub struct PartOptions {
    /// A checkpoint follows once this many rows wait for one,
    pub every_rows: u64,
    /// or when the last one is this long ago.
    pub every: Duration,
}

impl Default for PartOptions {
    fn default() -> Self {
        PartOptions { every_rows: 16_384, every: Duration::from_secs(2) }
    }
}

/// An output in progress.
pub struct PartFile {
    path: PathBuf,
    part: PathBuf,
    journal_path: PathBuf,
    /// Digests what is appended since the last checkpoint.
    out: BufWriter<HashWriter<File>>,
    journal: File,
    rows: u64,
    bytes: u64,
    saved_rows: u64,
    saved_at: Instant,
    options: PartOptions,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: String,
    key: String,
}

#[derive(Serialize, Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Record {
    rows: u64,
    bytes: u64,
    sha256: String,
}

const FORMAT: &str = "m2 part 1";
const BUFFER: usize = 1 << 18;

impl PartFile {
    /// Begins an output with `header` and no rows; what an earlier run left is dropped.
    ///
    /// `key` stands for everything that the rows depend on (input, model, settings): another run
    /// goes on with this output only under the same key.
    ///
    /// # Errors
    /// [`FileError::Io`] when the folder cannot be written, [`FileError::Fetch`] when another
    /// process is writing the same output.
    pub fn create(
        path: &Path,
        key: &str,
        header: &[u8],
        options: PartOptions,
    ) -> Result<Self, FileError> {
        let (part, journal_path) = names(path);
        let open = |path: &Path| {
            let file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
            file.map_err(|e| FileError::io("create", path, e))
        };
        let data = open(&part)?;
        lock(&data, path)?;
        let journal = open(&journal_path)?;
        // The journal first: it must never describe other bytes than those below it.
        journal
            .set_len(0)
            .and_then(|()| journal.sync_all())
            .and_then(|()| data.set_len(0))
            .map_err(|e| FileError::io("write", &part, e))?;
        let mut file = Self::new(path, data, journal, Record::empty(), options);
        let head = Head { format: FORMAT.to_owned(), key: key.to_owned() };
        file.write_line(&head).map_err(|e| file.failed(e))?;
        file.append(0, header)?;
        file.checkpoint()?;
        Ok(file)
    }

    /// Goes on with an output that was begun under the same key: [`PartFile::rows`] says where.
    /// `None` when there is nothing to go on with.
    ///
    /// # Errors
    /// As [`PartFile::create`], and [`FileError::Malformed`] when the output was begun under
    /// another key.
    pub fn resume(path: &Path, key: &str, options: PartOptions) -> Result<Option<Self>, FileError> {
        let (part, journal_path) = names(path);
        let open = |path: &Path| match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(FileError::io("open", path, e)),
        };
        let Some(mut data) = open(&part)? else { return Ok(None) };
        lock(&data, path)?;
        let Some(mut journal) = open(&journal_path)? else { return Ok(None) };
        let mut text = Vec::new();
        journal.read_to_end(&mut text).map_err(|e| FileError::io("read", &journal_path, e))?;
        let Some((head, records)) = parse(&text) else { return Ok(None) };
        if head.key != key {
            return Err(FileError::malformed(
                &part.display().to_string(),
                "",
                format!("an output begun with {}", clip(&head.key)),
                key,
                "go on with the same input and settings, or delete it and start again",
            ));
        }
        let found = last_whole(&mut data, &records).map_err(|e| FileError::io("read", &part, e))?;
        let Some((record, journal_len)) = found else { return Ok(None) };
        journal
            .set_len(journal_len)
            .and_then(|()| journal.seek(SeekFrom::End(0)))
            .and_then(|_| data.set_len(record.bytes))
            .and_then(|()| data.seek(SeekFrom::End(0)))
            .map_err(|e| FileError::io("write", &part, e))?;
        Ok(Some(Self::new(path, data, journal, record, options)))
    }

    fn new(path: &Path, data: File, journal: File, at: Record, options: PartOptions) -> Self {
        let (part, journal_path) = names(path);
        PartFile {
            path: path.to_owned(),
            part,
            journal_path,
            out: BufWriter::with_capacity(BUFFER, HashWriter::new(data)),
            journal,
            rows: at.rows,
            bytes: at.bytes,
            saved_rows: at.rows,
            saved_at: Instant::now(),
            options,
        }
    }

    /// Rows appended so far, those of earlier runs included.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends `rows` rows that are `bytes` together, and makes a checkpoint when one is due.
    ///
    /// # Errors
    /// [`FileError::Io`] when the disk is full; it says how many rows are safe.
    pub fn append(&mut self, rows: u64, bytes: &[u8]) -> Result<(), FileError> {
        self.out.write_all(bytes).map_err(|e| self.failed(e))?;
        self.rows += rows;
        self.bytes += bytes.len() as u64;
        let waiting = self.rows - self.saved_rows;
        let due =
            waiting >= self.options.every_rows || self.saved_at.elapsed() >= self.options.every;
        if waiting > 0 && due { self.checkpoint() } else { Ok(()) }
    }

    /// Makes everything appended so far safe.
    ///
    /// # Errors
    /// As [`PartFile::append`].
    pub fn checkpoint(&mut self) -> Result<(), FileError> {
        let result = self.out.flush().and_then(|()| {
            let hash = self.out.get_mut();
            hash.inner.sync_data()?;
            let record = Record { rows: self.rows, bytes: self.bytes, sha256: hash.restart() };
            self.write_line(&record)
        });
        result.map_err(|e| self.failed(e))?;
        self.saved_rows = self.rows;
        self.saved_at = Instant::now();
        Ok(())
    }

    /// Replaces the beginning of the file by `header`, when given, and gives the file its name.
    ///
    /// # Errors
    /// As [`PartFile::append`].
    pub fn finish(mut self, header: Option<&[u8]>) -> Result<(), FileError> {
        self.checkpoint()?;
        let result = (|| {
            let file = &mut self.out.get_mut().inner;
            if let Some(header) = header {
                file.seek(SeekFrom::Start(0))?;
                file.write_all(header)?;
            }
            file.sync_all()?;
            fs::rename(&self.part, &self.path)?;
            sync_folder(&self.path)
        })();
        result.map_err(|e| self.failed(e))?;
        match fs::remove_file(&self.journal_path) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                Err(FileError::io("remove", &self.journal_path, e))
            }
            _ => Ok(()),
        }
    }

    fn write_line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.journal.write_all(&text)?;
        self.journal.sync_data()
    }

    fn failed(&self, source: io::Error) -> FileError {
        let cause = if source.kind() == ErrorKind::StorageFull {
            "the disk is full: free some space, then "
        } else {
            ""
        };
        let help = format!(
            "{cause}go on with --resume: {} rows are safe in {}",
            self.saved_rows,
            self.part.display()
        );
        FileError::Io { action: "write", path: self.path.clone(), source, help }
    }
}

impl Record {
    fn empty() -> Self {
        Record { rows: 0, bytes: 0, sha256: String::new() }
    }
}

/// `FILE.part` and `FILE.part.journal`.
fn names(path: &Path) -> (PathBuf, PathBuf) {
    let with = |end: &str| {
        let mut name = OsString::from(path);
        name.push(end);
        PathBuf::from(name)
    };
    (with(".part"), with(".part.journal"))
}

/// Keeps a second process off the same output, where the file system can.
fn lock(data: &File, path: &Path) -> Result<(), FileError> {
    // A process that is just ending, or a child just starting, holds a lock for a moment.
    for _ in 0..5 {
        match data.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(20)),
            _ => return Ok(()),
        }
    }
    Err(FileError::Io {
        action: "write",
        path: path.to_owned(),
        source: ErrorKind::ResourceBusy.into(),
        help: "another process is writing it: wait for it, or name another output".to_owned(),
    })
}

/// The head and, each with the length of the journal up to its end, the records of a journal, up to
/// the first line that is torn or goes backwards.
fn parse(text: &[u8]) -> Option<(Head, Vec<(Record, u64)>)> {
    let mut lines = text.split_inclusive(|&b| b == b'\n').filter(|l| l.ends_with(b"\n"));
    let first = lines.next()?;
    let head: Head = serde_json::from_slice(first).ok()?;
    if head.format != FORMAT {
        return None;
    }
    let mut end = first.len() as u64;
    let mut records: Vec<(Record, u64)> = Vec::new();
    for line in lines {
        let Ok(record) = serde_json::from_slice::<Record>(line) else { break };
        let forwards = records
            .last()
            .is_none_or(|(last, _)| record.rows >= last.rows && record.bytes >= last.bytes);
        if !forwards {
            break;
        }
        end += line.len() as u64;
        records.push((record, end));
    }
    Some((head, records))
}

/// The last record whose block lies whole in the file.
fn last_whole(data: &mut File, records: &[(Record, u64)]) -> io::Result<Option<(Record, u64)>> {
    let len = data.metadata()?.len();
    for (i, (record, end)) in records.iter().enumerate().rev() {
        let from = if i == 0 { 0 } else { records[i - 1].0.bytes };
        if record.bytes > len {
            continue;
        }
        data.seek(SeekFrom::Start(from))?;
        let mut hash = HashWriter::new(io::sink());
        io::copy(&mut Read::by_ref(data).take(record.bytes - from), &mut hash)?;
        if hash.restart() == record.sha256 {
            return Ok(Some((record.clone(), *end)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: PartOptions = PartOptions { every_rows: 2, every: Duration::from_secs(3600) };

    /// A folder in memory where there is one: these tests sync thousands of times.
    fn folder() -> tempfile::TempDir {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
    }

    fn row(i: u64) -> [u8; 5] {
        [b'r', i as u8, (i * 7) as u8, b'.', b'\n']
    }

    /// Appends rows up to 9 and finishes.
    fn complete(mut file: PartFile) {
        for i in file.rows()..9 {
            file.append(1, &row(i)).unwrap();
        }
        file.finish(Some(b"HEAD9\n")).unwrap();
    }

    fn expected() -> Vec<u8> {
        b"HEAD9\n".iter().copied().chain((0..9).flat_map(row)).collect()
    }

    /// Bytes of `.part` and of the journal after 7 rows (6 of them safe) and a kill.
    fn interrupted(path: &Path) -> (Vec<u8>, Vec<u8>) {
        let mut file = PartFile::create(path, "key", b"HEAD?\n", EACH).unwrap();
        for i in 0..7 {
            file.append(1, &row(i)).unwrap();
        }
        file.out.flush().unwrap();
        drop(file);
        let (part, journal) = names(path);
        (fs::read(part).unwrap(), fs::read(journal).unwrap())
    }

    #[test]
    fn an_uninterrupted_run_leaves_one_file() {
        let dir = folder();
        let path = dir.path().join("out");
        assert!(PartFile::resume(&path, "key", EACH).unwrap().is_none());
        complete(PartFile::create(&path, "key", b"HEAD?\n", EACH).unwrap());
        assert_eq!(fs::read(&path).unwrap(), expected());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(PartFile::resume(&path, "key", EACH).unwrap().is_none());
    }

    /// A kill can cut either file anywhere; power loss can also leave bytes that are wrong.
    #[test]
    fn every_cut_of_either_file_resumes_to_the_same_output() {
        let dir = folder();
        let path = dir.path().join("out");
        let (part, journal) = interrupted(&path);
        let (part_name, journal_name) = names(&path);
        let mut most = 0;
        let cuts = (0..=part.len())
            .map(|n| (n, journal.len()))
            .chain((0..=journal.len()).map(|n| (part.len(), n)));
        for (p, j) in cuts {
            let _ = fs::remove_file(&part_name);
            let _ = fs::remove_file(&journal_name);
            let _ = fs::remove_file(&path);
            fs::write(&part_name, &part[..p]).unwrap();
            fs::write(&journal_name, &journal[..j]).unwrap();
            let file = match PartFile::resume(&path, "key", EACH).unwrap() {
                Some(file) => file,
                None => PartFile::create(&path, "key", b"HEAD?\n", EACH).unwrap(),
            };
            // What is safe must not be lost: whole pairs of rows in both files.
            if j == journal.len() {
                let whole = (p as u64).saturating_sub(6) / 10 * 2;
                assert_eq!(file.rows(), whole.min(6), "{p}");
            }
            most = most.max(file.rows());
            complete(file);
            assert_eq!(fs::read(&path).unwrap(), expected(), "cut at {p} and {j}");
        }
        assert_eq!(most, 6);
    }

    #[test]
    fn wrong_bytes_are_noticed() {
        let dir = folder();
        let path = dir.path().join("out");
        let (part, _) = interrupted(&path);
        // In the last safe block: rows 4 and 5.
        let mut bad = part.clone();
        bad[6 + 4 * 5 + 1] ^= 1;
        fs::write(names(&path).0, &bad).unwrap();
        let file = PartFile::resume(&path, "key", EACH).unwrap().unwrap();
        assert_eq!(file.rows(), 4);
        complete(file);
        assert_eq!(fs::read(&path).unwrap(), expected());
    }

    #[test]
    fn another_key_or_process_is_refused() {
        let dir = folder();
        let path = dir.path().join("out");
        interrupted(&path);
        let e = PartFile::resume(&path, "other", EACH).err().unwrap().to_string();
        assert!(e.contains("out.part") && e.contains("expected other"), "{e}");
        let held = PartFile::resume(&path, "key", EACH).unwrap();
        let e = PartFile::resume(&path, "key", EACH).err().unwrap().to_string();
        assert!(e.contains("another process"), "{e}");
        let e = PartFile::create(&path, "key", b"", EACH).err().unwrap().to_string();
        assert!(e.contains("another process"), "{e}");
        drop(held);
        assert!(PartFile::resume(&path, "key", EACH).unwrap().is_some());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_says_what_is_safe() {
        let dir = folder();
        let path = dir.path().join("out");
        let mut file = PartFile::create(&path, "key", b"HEAD?\n", EACH).unwrap();
        file.append(2, &[1; 10]).unwrap();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        file.out.get_mut().inner = full;
        let e = file.append(2, &[2; 10]).unwrap_err().to_string();
        assert!(e.contains("disk is full") && e.contains("2 rows are safe in"), "{e}");
        drop(file);
        assert_eq!(PartFile::resume(&path, "key", EACH).unwrap().unwrap().rows(), 2);
    }
}
