//! What can be wrong with a file, in words a user can act on.

#[cfg(not(target_arch = "wasm32"))]
use std::path::Path;
use std::{io, path::PathBuf};

/// An error about a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}{}", .path.display(), hint(.help))]
    Io {
        /// What was tried, as a verb: "open", "read", "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// What the user can do, or what is left on disk; may be empty.
        help: String,
    },
    /// The content contradicts itself or the format.
    #[error("{file}: {}found {found}, expected {expected}{}", prefix(.item), hint(.help))]
    Malformed {
        /// The file.
        file: String,
        /// The tensor, entry or field; empty for the file as a whole.
        item: String,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
        /// What to do.
        help: String,
    },
    /// A tensor that was asked for is not there.
    #[error("{file}: tensor '{tensor}' is missing{}", hint(.help))]
    Missing {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// What to do.
        help: String,
    },
    /// A weight is NaN or infinite.
    #[error(
        "{file}: tensor '{tensor}' holds {value} at flat index {index}, expected finite numbers; \
         the file is damaged or its training diverged: fetch it again or use an earlier checkpoint"
    )]
    NonFinite {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// Index of the element in row-major order.
        index: usize,
        /// The element: `NaN`, `inf` or `-inf`.
        value: f64,
    },
    /// A pickle asks for an object this reader does not build.
    #[error(
        "{file}: the pickle asks for '{name}', which is neither a tensor nor plain data; refused, \
         nothing was run. If you trust the file, re-save only its weights with \
         torch.save(model.state_dict(), 'weights.pt')"
    )]
    Refused {
        /// The file.
        file: String,
        /// Dotted name of the object.
        name: String,
    },
    /// The bytes are not those that were promised.
    #[error(
        "{file}: SHA-256 is {found}, expected {expected}; the download is damaged or is another \
         file: delete it and fetch it again"
    )]
    Checksum {
        /// The file.
        file: String,
        /// Hex digest of what is there.
        found: String,
        /// Hex digest of what should be there.
        expected: String,
    },
    /// Something outside this program (pip, a server) failed.
    #[error("{what}: {why}{}", hint(.help))]
    Fetch {
        /// What was being fetched, and how.
        what: String,
        /// What went wrong.
        why: String,
        /// What to do.
        help: String,
    },
}

impl FileError {
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let help = match source.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => "check the permissions of the file and its folder",
            io::ErrorKind::StorageFull => "free some space and run again",
            io::ErrorKind::UnexpectedEof => "the file became shorter while it was read",
            _ => "",
        };
        FileError::Io { action, path: path.to_owned(), source, help: help.to_owned() }
    }

    pub(crate) fn malformed(
        file: &str,
        item: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        FileError::Malformed {
            file: file.to_owned(),
            item: item.into(),
            found: found.into(),
            expected: expected.into(),
            help: help.into(),
        }
    }
}

/// What to do about a file whose bytes contradict themselves.
pub(crate) const DAMAGED: &str = "the file is damaged or incomplete: fetch it again";

fn hint(help: &str) -> String {
    if help.is_empty() { String::new() } else { format!("; {help}") }
}

fn prefix(item: &str) -> String {
    if item.is_empty() { String::new() } else { format!("{item}: ") }
}

/// Shortens text that comes from a file before it goes into a message.
pub(crate) fn clip(text: &str) -> String {
    let clean: String =
        text.chars().take(120).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(120).is_some() { clean + "…" } else { clean }
}
