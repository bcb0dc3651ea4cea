//! Models from the Hugging Face hub, in the cache layout that Python's `huggingface_hub` uses.
//!
//! `models--org--name/{refs/<branch>, blobs/<etag>, snapshots/<commit>/<file>}`: a file is
//! downloaded to `blobs/<etag>.incomplete`, continued there after an interruption, checked (weights
//! carry their SHA-256 as etag), renamed, and linked into the snapshot.

mod http;

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde::Deserialize;
use ureq::{
    Body,
    http::{HeaderMap, Response},
};

use self::http::{Client, Method, Trouble, failed};
use super::{
    FileError,
    archive::is_inside,
    atomic,
    cache::Locations,
    error::{DAMAGED, clip},
    hash,
};

/// Attempts in a row that bring no byte before a download is given up.
const ATTEMPTS: u32 = 4;
/// Longest description of a repository that is read.
const MAX_INFO: u64 = 32 << 20;

/// How far a download is.
#[derive(Debug, Clone)]
pub struct Progress<'a> {
    /// The file in the repository.
    pub file: &'a str,
    /// Bytes that are there, those of earlier runs included.
    pub done: u64,
    /// Bytes of the whole file, when the hub says so.
    pub total: Option<u64>,
}

#[derive(Deserialize)]
struct RepoInfo {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

/// Whether a file of a repository is of use here: configuration, tokenizer, and safetensors weights
/// at the top or in a sentence-transformers module's folder.
pub fn is_useful(file: &str) -> bool {
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    let module = folder.is_empty()
        || (!folder.contains('/') && folder.starts_with(|c: char| c.is_ascii_digit()));
    let weights = name.ends_with(".safetensors") || name == "model.safetensors.index.json";
    let settings = matches!(
        name,
        "config.json"
            | "config_sentence_transformers.json"
            | "modules.json"
            | "sentence_bert_config.json"
            | "special_tokens_map.json"
            | "tokenizer.json"
            | "tokenizer_config.json"
            | "vocab.txt"
    );
    module && (weights || settings)
}

/// Fetches the files of `org/name` at a revision for which `wanted` holds, and returns the folder
/// of the snapshot. Files that are there already are not fetched again.
///
/// # Errors
/// [`FileError::Fetch`] when the hub cannot be reached, has no such model, or asks for a token;
/// [`FileError::Checksum`] when weights are not those it promised; [`FileError::Io`] for the disk.
pub fn pull(
    repo: &str,
    revision: &str,
    locations: &Locations,
    wanted: &dyn Fn(&str) -> bool,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf, FileError> {
    if locations.offline {
        return locations.snapshot(repo, revision).ok_or_else(|| FileError::Fetch {
            what: format!("{} is not on this machine", clip(repo)),
            why: "fetching is switched off".to_owned(),
            help: format!("unset HF_HUB_OFFLINE, then run `m2 pull {}`", clip(repo)),
        });
    }
    let Some(folder) = locations.repo_folder(repo).filter(|_| is_inside(revision)) else {
        return Err(FileError::Fetch {
            what: format!("fetching {}@{}", clip(repo), clip(revision)),
            why: "that is no name of a model".to_owned(),
            help: "write it as org/name or org/name@revision".to_owned(),
        });
    };
    let client = Client::new(locations)?;
    let info = describe(&client, locations, repo, revision)?;
    let hub = Hub { client, locations, repo, folder, commit: info.sha };
    for file in info.siblings.iter().map(|s| s.rfilename.as_str()).filter(|f| wanted(f)) {
        hub.fetch(file, progress)?;
    }
    if revision != hub.commit {
        let reference = hub.folder.join("refs").join(revision);
        create_folder_of(&reference)?;
        atomic::write(&reference, |out| out.write_all(hub.commit.as_bytes()))?;
    }
    Ok(hub.snapshot())
}

/// Which commit a revision is, and which files it has.
fn describe(
    client: &Client,
    locations: &Locations,
    repo: &str,
    revision: &str,
) -> Result<RepoInfo, FileError> {
    let url =
        format!("{}/api/models/{}/revision/{}", locations.endpoint, path(repo), segment(revision));
    let mut response = client.send(Method::Get { from: 0 }, &url, false)?;
    check_status(&url, &response, repo, revision)?;
    let json = response
        .body_mut()
        .with_config()
        .limit(MAX_INFO)
        .read_to_vec()
        .map_err(|e| failed(&url, e.to_string()))?;
    let info: RepoInfo = serde_json::from_slice(&json)
        .map_err(|e| failed(&url, format!("an answer that is no model ({e})")))?;
    if !is_plain(&info.sha) {
        return Err(failed(&url, format!("the commit {}", clip(&info.sha))));
    }
    match info.siblings.iter().find(|s| !is_inside(&s.rfilename)) {
        Some(s) => Err(failed(&url, format!("a file called {}", clip(&s.rfilename)))),
        None => Ok(info),
    }
}

struct Hub<'a> {
    client: Client,
    locations: &'a Locations,
    repo: &'a str,
    folder: PathBuf,
    commit: String,
}

/// What the hub says of a file.
struct FileInfo {
    etag: String,
    size: Option<u64>,
}

impl Hub<'_> {
    fn snapshot(&self) -> PathBuf {
        self.folder.join("snapshots").join(&self.commit)
    }

    fn fetch(&self, file: &str, progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), FileError> {
        let pointer = self.snapshot().join(file);
        if pointer.is_file() {
            return Ok(());
        }
        let url = format!(
            "{}/{}/resolve/{}/{}",
            self.locations.endpoint,
            path(self.repo),
            self.commit,
            path(file)
        );
        let info = self.file_info(&url)?;
        let blob = self.folder.join("blobs").join(&info.etag);
        if !blob.is_file() {
            self.download(&url, file, &info, &blob, progress)?;
        }
        create_folder_of(&pointer)?;
        self.link(&blob, &pointer, file)
    }

    fn file_info(&self, url: &str) -> Result<FileInfo, FileError> {
        let response = self.client.send(Method::Head, url, true)?;
        if !response.status().is_redirection() {
            check_status(url, &response, self.repo, &self.commit)?;
        }
        let get = |name: &str| header(response.headers(), name);
        let etag = get("x-linked-etag").or_else(|| get("etag")).unwrap_or_default();
        let etag = etag.trim_start_matches("W/").trim_matches('"').to_owned();
        if !is_plain(&etag) {
            return Err(failed(url, format!("the etag '{}'", clip(&etag))));
        }
        let size = get("x-linked-size").or_else(|| {
            // The length of a redirect is not that of the file.
            get("content-length").filter(|_| response.status().is_success())
        });
        Ok(FileInfo { etag, size: size.and_then(|s| s.parse().ok()) })
    }

    fn download(
        &self,
        url: &str,
        file: &str,
        info: &FileInfo,
        blob: &Path,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), FileError> {
        create_folder_of(blob)?;
        let incomplete = blob.with_file_name(format!("{}.incomplete", info.etag));
        let mut out = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&incomplete)
            .map_err(|e| FileError::io("create", &incomplete, e))?;
        if let Err(TryLockError::WouldBlock) = out.try_lock() {
            let why = "another process is fetching it".to_owned();
            return Err(failed(url, why));
        }
        let mut idle = 0;
        loop {
            let before = file_len(&out, &incomplete)?;
            if info.size == Some(before) {
                break;
            }
            let whole = self.attempt(url, info, &mut out, &incomplete, &mut |done| {
                progress(Progress { file, done, total: info.size });
            });
            let e = match whole {
                Ok(()) => break,
                Err(Trouble::Lasting(e)) => return Err(e),
                Err(Trouble::Passing(e)) => e,
            };
            idle = if file_len(&out, &incomplete)? > before { 0 } else { idle + 1 };
            if idle == ATTEMPTS {
                return Err(e);
            }
            if idle > 0 {
                thread::sleep(Duration::from_millis(100 << idle));
            }
        }
        out.sync_all().map_err(|e| FileError::io("write", &incomplete, e))?;
        drop(out);
        if info.etag.len() == 64 {
            let found = hash::sha256_file(&incomplete)?;
            if found != info.etag {
                let _ = fs::remove_file(&incomplete);
                let expected = info.etag.clone();
                return Err(FileError::Checksum { file: file.to_owned(), found, expected });
            }
        }
        fs::rename(&incomplete, blob).map_err(|e| FileError::io("create", blob, e))
    }

    /// One request for what is still missing.
    fn attempt(
        &self,
        url: &str,
        info: &FileInfo,
        out: &mut File,
        incomplete: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), Trouble> {
        let write = |e| FileError::io("write", incomplete, e);
        let mut done = file_len(out, incomplete)?;
        if info.size.is_some_and(|size| done > size) {
            done = 0;
        }
        let mut response = self.client.send(Method::Get { from: done }, url, false)?;
        let status = response.status().as_u16();
        if status == 206 {
            let range = header(response.headers(), "content-range").unwrap_or_default();
            if !range.starts_with(&format!("bytes {done}-")) {
                return Err(failed(url, format!("the range '{}'", clip(&range))).into());
            }
        } else {
            if status != 416 {
                check_status(url, &response, self.repo, &self.commit)?;
            }
            // The whole file, or a range the server does not have: from the beginning.
            done = 0;
        }
        out.set_len(done).and_then(|()| out.seek(SeekFrom::Start(done))).map_err(write)?;
        if status == 416 {
            return Err(Trouble::Passing(failed(url, "a range that is not there".to_owned())));
        }
        let length = response.body().content_length();
        let expected = info.size.or_else(|| length.map(|n| n + done));
        let mut body = response.body_mut().with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; 1 << 17];
        loop {
            let cut = |why: String| Trouble::Passing(failed(url, why));
            let n = body.read(&mut buffer).map_err(|e| cut(e.to_string()))?;
            if n == 0 && expected.is_none_or(|size| size == done) {
                return Ok(());
            }
            if n == 0 {
                return Err(cut(format!("the connection was cut after {done} bytes")));
            }
            done += n as u64;
            if expected.is_some_and(|size| done > size) {
                let found = format!("more than {} bytes", expected.unwrap_or(0));
                let what = "the size the hub promised";
                return Err(FileError::malformed(url, "", found, what, DAMAGED).into());
            }
            out.write_all(&buffer[..n]).map_err(write)?;
            progress(done);
        }
    }

    /// Makes `pointer` a relative link to the blob, or a copy where links cannot be had.
    fn link(&self, blob: &Path, pointer: &Path, file: &str) -> Result<(), FileError> {
        let _ = fs::remove_file(pointer);
        #[cfg(unix)]
        if self.locations.symlinks {
            let up = "../".repeat(file.split('/').count() + 1);
            let name = blob.file_name().unwrap_or_default();
            let target = Path::new(&up).join("blobs").join(name);
            if std::os::unix::fs::symlink(target, pointer).is_ok() {
                return Ok(());
            }
        }
        #[cfg(not(unix))]
        let _ = file;
        fs::copy(blob, pointer).map(drop).map_err(|e| FileError::io("create", pointer, e))
    }
}

fn check_status(
    url: &str,
    response: &Response<Body>,
    repo: &str,
    revision: &str,
) -> Result<(), FileError> {
    let (why, help) = match response.status().as_u16() {
        200..=299 => return Ok(()),
        401 | 403 => (
            "the hub asks for permission".to_owned(),
            format!(
                "set HF_TOKEN to a token that may read {}; if the model is gated, accept its terms \
                 on its page first (a misspelt name gives the same answer)",
                clip(repo)
            ),
        ),
        404 => (
            format!("the hub has no {} at revision {}", clip(repo), clip(revision)),
            "check the spelling of org/name@revision".to_owned(),
        ),
        429 => ("the hub asks to slow down".to_owned(), "wait a few minutes".to_owned()),
        status => (format!("the hub answers {status}"), "try again later".to_owned()),
    };
    let what = format!("fetching {}", clip(url));
    Err(FileError::Fetch { what, why, help })
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned)
}

fn file_len(file: &File, path: &Path) -> Result<u64, FileError> {
    file.metadata().map(|m| m.len()).map_err(|e| FileError::io("read", path, e))
}

fn create_folder_of(path: &Path) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|e| FileError::io("create", folder, e))
}

/// Whether a commit or etag may be a file name.
fn is_plain(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=128).contains(&name.len()) && name.chars().all(good) && !name.starts_with('.')
}

/// Escapes one segment of a path, slashes included.
fn segment(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(b).to_string()
            }
            _ => format!("%{b:02X}"),
        })
        .collect()
}

/// Escapes a path, slashes kept.
fn path(text: &str) -> String {
    text.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests;
