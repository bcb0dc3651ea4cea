//! Where models lie on this machine: our own cache and the Hugging Face one, read in place.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::archive::is_inside;

/// Folders, server and switches, as the environment sets them.
///
/// | variable | effect |
/// |---|---|
/// | `M2_CACHE` | our cache; else `$XDG_CACHE_HOME/m2`, else `~/.cache/m2` |
/// | `HF_HUB_CACHE` (`HUGGINGFACE_HUB_CACHE`) | the hub's cache; else `$HF_HOME/hub`, else `$XDG_CACHE_HOME/huggingface/hub`, else `~/.cache/huggingface/hub` |
/// | `HF_ENDPOINT` | the hub's address, `https://huggingface.co` |
/// | `HF_TOKEN` (`HUGGING_FACE_HUB_TOKEN`), `HF_TOKEN_PATH` | the token, or the file that holds it, `$HF_HOME/token` |
/// | `HF_HUB_OFFLINE` | 1: nothing is fetched |
/// | `HF_HUB_ETAG_TIMEOUT`, `HF_HUB_DOWNLOAD_TIMEOUT` | seconds, 10 each |
/// | `HF_HUB_DISABLE_SYMLINKS` | 1: files are copied into snapshots |
/// | `HF_HUB_DISABLE_PROGRESS_BARS` | 1: no progress |
#[derive(Clone, PartialEq, Eq)]
pub struct Locations {
    /// Our cache.
    pub cache: PathBuf,
    /// The Hugging Face hub's cache.
    pub hub: PathBuf,
    /// The hub's address, without a slash at its end.
    pub endpoint: String,
    /// The hub's token.
    pub token: Option<String>,
    /// Whether fetching is forbidden.
    pub offline: bool,
    /// How long the hub may take to describe a file.
    pub etag_timeout: Duration,
    /// How long the hub may pause within a download.
    pub download_timeout: Duration,
    /// Whether snapshots link to blobs.
    pub symlinks: bool,
    /// Whether progress may be shown.
    pub progress: bool,
}

impl Locations {
    /// Reads the environment of this process.
    pub fn from_env() -> Self {
        Self::from_vars(&|name| std::env::var_os(name), std::env::home_dir())
    }

    /// The same from any source of variables; empty ones count as unset.
    pub fn from_vars(var: &dyn Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Self {
        let get = |name: &str| var(name).filter(|v| !v.is_empty());
        let text = |name: &str| get(name).and_then(|v| v.into_string().ok());
        let flag = |name: &str| {
            text(name).is_some_and(|v| {
                matches!(v.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on")
            })
        };
        let seconds = |name: &str| {
            let seconds = text(name).and_then(|v| v.parse().ok()).unwrap_or(10);
            Duration::from_secs(seconds)
        };
        let home = home.unwrap_or_else(std::env::temp_dir);
        let base = get("XDG_CACHE_HOME").map_or_else(|| home.join(".cache"), PathBuf::from);
        let hf_home = get("HF_HOME").map_or_else(|| base.join("huggingface"), PathBuf::from);
        let token_path = get("HF_TOKEN_PATH").map_or_else(|| hf_home.join("token"), PathBuf::from);
        Locations {
            cache: get("M2_CACHE").map_or_else(|| base.join("m2"), PathBuf::from),
            hub: get("HF_HUB_CACHE")
                .or_else(|| get("HUGGINGFACE_HUB_CACHE"))
                .map_or_else(|| hf_home.join("hub"), PathBuf::from),
            endpoint: text("HF_ENDPOINT")
                .unwrap_or_else(|| "https://huggingface.co".to_owned())
                .trim_end_matches('/')
                .to_owned(),
            token: text("HF_TOKEN")
                .or_else(|| text("HUGGING_FACE_HUB_TOKEN"))
                .or_else(|| fs::read_to_string(token_path).ok())
                .map(|t| t.trim().to_owned())
                .filter(|t| !t.is_empty()),
            offline: flag("HF_HUB_OFFLINE") || flag("TRANSFORMERS_OFFLINE"),
            etag_timeout: seconds("HF_HUB_ETAG_TIMEOUT"),
            download_timeout: seconds("HF_HUB_DOWNLOAD_TIMEOUT"),
            symlinks: cfg!(unix) && !flag("HF_HUB_DISABLE_SYMLINKS"),
            progress: !flag("HF_HUB_DISABLE_PROGRESS_BARS"),
        }
    }

    /// The folder of models fetched from package registries.
    pub fn models(&self) -> PathBuf {
        self.cache.join("models")
    }

    /// The folder of a model fetched by [`packages`](super::packages), if it is there.
    pub fn packaged(&self, name: &str) -> Option<PathBuf> {
        let folder = self.models().join(name);
        (is_inside(name) && folder.join("config.json").is_file()).then_some(folder)
    }

    /// The folder of `org/name` at a branch, tag or commit in the hub's cache, whoever fetched it.
    pub fn snapshot(&self, repo: &str, revision: &str) -> Option<PathBuf> {
        if !is_inside(revision) {
            return None;
        }
        let folder = self.repo_folder(repo)?;
        let commit = fs::read_to_string(folder.join("refs").join(revision))
            .map_or_else(|_| revision.to_owned(), |c| c.trim().to_owned());
        let snapshot = folder.join("snapshots").join(&commit);
        let plain = is_inside(&commit) && !commit.contains('/');
        (plain && snapshot.join("config.json").is_file()).then_some(snapshot)
    }

    /// The hub's folder for a repository; `None` when the name is not `name` or `org/name`.
    pub(crate) fn repo_folder(&self, repo: &str) -> Option<PathBuf> {
        let parts = repo.split('/').count();
        (is_inside(repo) && parts <= 2)
            .then(|| self.hub.join(format!("models--{}", repo.replace('/', "--"))))
    }
}

impl std::fmt::Debug for Locations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token stays out of logs.
        f.debug_struct("Locations")
            .field("cache", &self.cache)
            .field("hub", &self.hub)
            .field("endpoint", &self.endpoint)
            .field("token", &self.token.as_ref().map(|_| "***"))
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

/// Bytes of all files below a folder; links are not followed.
pub fn folder_size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(m) if m.is_dir() => folder_size(&entry.path()),
            Ok(m) if m.is_file() => m.len(),
            _ => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(vars: &[(&str, &str)]) -> Locations {
        let get =
            |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
        Locations::from_vars(&get, Some("/home/u".into()))
    }

    #[test]
    fn variables_override_each_other_in_order() {
        let plain = at(&[("HF_HOME", "")]);
        assert_eq!(plain.cache, Path::new("/home/u/.cache/m2"));
        assert_eq!(plain.hub, Path::new("/home/u/.cache/huggingface/hub"));
        assert_eq!(plain.endpoint, "https://huggingface.co");
        assert!(!plain.offline && plain.token.is_none());
        let xdg = at(&[("XDG_CACHE_HOME", "/x"), ("HF_HUB_OFFLINE", "1")]);
        assert_eq!(
            (xdg.cache.as_path(), xdg.hub.as_path()),
            (Path::new("/x/m2"), Path::new("/x/huggingface/hub"))
        );
        assert!(xdg.offline);
        let all = at(&[
            ("XDG_CACHE_HOME", "/x"),
            ("HF_HOME", "/h"),
            ("M2_CACHE", "/m"),
            ("HF_ENDPOINT", "http://mirror/"),
            ("HF_TOKEN", " secret\n"),
            ("HF_HUB_OFFLINE", "0"),
            ("HF_HUB_ETAG_TIMEOUT", "3"),
        ]);
        assert_eq!(
            (all.cache.as_path(), all.hub.as_path()),
            (Path::new("/m"), Path::new("/h/hub"))
        );
        assert_eq!(all.endpoint, "http://mirror");
        assert_eq!(all.token.as_deref(), Some("secret"));
        assert_eq!(all.etag_timeout, Duration::from_secs(3));
        assert!(!format!("{all:?}").contains("secret"));
        assert!(!all.offline);
        assert_eq!(at(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")]).hub, Path::new("/c"));
    }

    #[test]
    fn snapshots_are_found_by_branch_and_by_commit() {
        let dir = tempfile::tempdir().unwrap();
        let here = at(&[("HF_HUB_CACHE", dir.path().to_str().unwrap())]);
        let repo = dir.path().join("models--org--name");
        let snapshot = repo.join("snapshots/abc123");
        fs::create_dir_all(&snapshot).unwrap();
        fs::create_dir_all(repo.join("refs")).unwrap();
        fs::write(repo.join("refs/main"), "abc123\n").unwrap();
        assert_eq!(here.snapshot("org/name", "main"), None, "no config.json yet");
        fs::write(snapshot.join("config.json"), "{}").unwrap();
        assert_eq!(here.snapshot("org/name", "main"), Some(snapshot.clone()));
        assert_eq!(here.snapshot("org/name", "abc123"), Some(snapshot));
        assert_eq!(here.snapshot("org/name", "v2"), None);
        assert_eq!(here.snapshot("../org", "main"), None);
        fs::write(repo.join("refs/evil"), "../../elsewhere").unwrap();
        assert_eq!(here.snapshot("org/name", "evil"), None);
        assert_eq!(folder_size(&repo), 7 + 2 + 15);
    }
}
