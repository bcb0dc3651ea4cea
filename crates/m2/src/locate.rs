//! From a model's name to its folder.

use std::path::{Path, PathBuf};

use crate::{Error, files::cache::Locations};

/// The model that is used where none is named, until one of our own is trained.
pub const DEFAULT_MODEL: &str = "all-MiniLM-L6-v2";

/// The folder of a model: a path that exists, the name of one that `m2 pull` fetched, or `org/name`,
/// optionally `@revision`, in the Hugging Face cache, whoever fetched it.
///
/// # Errors
/// [`Error::NoModel`] when there is no such folder on this machine.
pub fn locate(name: &str, locations: &Locations) -> Result<PathBuf, Error> {
    let path = Path::new(name);
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    let (repo, revision) = name.split_once('@').unwrap_or((name, "main"));
    let short = repo.strip_prefix("sentence-transformers/").unwrap_or(repo);
    locations
        .packaged(short)
        .or_else(|| locations.snapshot(repo, revision))
        .or_else(|| {
            (!repo.contains('/'))
                .then(|| locations.snapshot(&format!("sentence-transformers/{repo}"), revision))
                .flatten()
        })
        .ok_or_else(|| Error::NoModel { name: name.to_owned() })
}
