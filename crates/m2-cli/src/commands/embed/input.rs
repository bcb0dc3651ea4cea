//! The texts of `m2 embed`: read by a thread of their own, a window at a time.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::Duration,
};

use anyhow::Context;
use m2_data::{Format, Record, RecordError, Records};

use crate::interrupt;

/// Texts that are sorted by length together.
const WINDOW_TEXTS: usize = 512;
/// Bytes of text of a window.
const WINDOW_BYTES: usize = 8 << 20;
/// Records that wait: few, since each may be megabytes.
const WAITING: usize = 8;
/// The format is guessed from this many bytes of the first line.
const FIRST_LINE: u64 = 1 << 20;

type Item = Result<Record, RecordError>;

/// Texts on their way.
pub struct Input {
    name: String,
    records: Receiver<Item>,
    failure: Option<anyhow::Error>,
    ended: bool,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let name =
            if is_stdin(path) { "standard input".into() } else { path.display().to_string() };
        let records = records(path)?;
        let (sender, receiver) = sync_channel(WAITING);
        thread::spawn(move || {
            for record in records {
                // The other end has gone when the command ends early.
                if sender.send(record).is_err() {
                    break;
                }
            }
        });
        Ok(Input { name, records: receiver, failure: None, ended: false })
    }

    /// The next texts: all that are there, up to a window; waits for the first. Empty at the end, at
    /// an error ([`Input::finish`]) and after Ctrl-C.
    pub fn window(&mut self) -> Vec<Record> {
        let mut window = Vec::new();
        let mut bytes = 0;
        while !self.ended && window.len() < WINDOW_TEXTS && bytes < WINDOW_BYTES {
            let patience = if window.is_empty() { 100 } else { 3 };
            match self.records.recv_timeout(Duration::from_millis(patience)) {
                Ok(Ok(record)) => {
                    bytes += record.text.len();
                    window.push(record);
                }
                Ok(Err(e)) => {
                    self.failure = Some(anyhow::Error::new(e).context(self.name.clone()));
                    self.ended = true;
                }
                Err(RecvTimeoutError::Disconnected) => self.ended = true,
                Err(RecvTimeoutError::Timeout) if !window.is_empty() || interrupt::asked() => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        window
    }

    /// The error that ended the input, if one did.
    pub fn finish(self) -> anyhow::Result<()> {
        self.failure.map_or(Ok(()), Err)
    }
}

/// Number of texts in a file.
pub fn count(path: &Path) -> anyhow::Result<u64> {
    let mut n = 0;
    for record in records(path)? {
        record.with_context(|| path.display().to_string())?;
        n += 1;
    }
    Ok(n)
}

/// What tells one input from another without reading it.
pub fn identity(path: &Path) -> anyhow::Result<String> {
    if is_stdin(path) {
        return Ok("standard input".into());
    }
    let name = path.display().to_string();
    let full = path.canonicalize().with_context(|| format!("cannot open {name}"))?;
    let meta = full.metadata().with_context(|| format!("cannot open {name}"))?;
    let age = meta.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    let age = age.unwrap_or_default();
    Ok(format!(
        "{} of {} bytes at {}.{:09}",
        full.display(),
        meta.len(),
        age.as_secs(),
        age.subsec_nanos()
    ))
}

/// Whether a path means standard input.
pub fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn records(path: &Path) -> anyhow::Result<Records<Box<dyn BufRead + Send>>> {
    let source: Box<dyn Read + Send> = match is_stdin(path) {
        true => Box::new(io::stdin()),
        false => {
            Box::new(File::open(path).with_context(|| format!("cannot open {}", path.display()))?)
        }
    };
    let mut source = BufReader::with_capacity(1 << 18, source);
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    if matches!(extension, "jsonl" | "ndjson") {
        return Ok(Records::new(Box::new(source), Format::JsonLines));
    }
    let mut first = Vec::new();
    if extension != "txt" {
        source.by_ref().take(FIRST_LINE).read_until(b'\n', &mut first)?;
    }
    let format = std::str::from_utf8(&first).map_or(Format::Lines, Format::detect);
    Ok(Records::new(Box::new(Cursor::new(first).chain(source)), format))
}

/// All texts of a file, in memory.
pub fn texts(path: &Path) -> anyhow::Result<Vec<String>> {
    let all = records(path)?.map(|r| r.map(|r| r.text)).collect::<Result<_, _>>();
    all.with_context(|| path.display().to_string())
}
