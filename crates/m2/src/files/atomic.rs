//! Whole files that appear at once: written under another name, synced, then renamed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use super::FileError;

/// Writes the file `path` through `fill`.
///
/// The content reaches the disk before the name does, so that after a crash, a full disk or an
/// error of `fill` the file is either the old one (or absent) or the whole new one. A device or
/// pipe is written directly.
///
/// # Errors
/// [`FileError::Io`] with what `fill` or the system said; the temporary file is removed.
pub fn write(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), FileError> {
    // Through a link the file it names is replaced, not the link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = fs::metadata(&target).ok();
    if old.as_ref().is_some_and(|m| !m.is_file()) {
        let file = OpenOptions::new().write(true).open(&target);
        return file.and_then(|f| fill_buffered(f, fill).map(drop)).map_err(|e| failed(path, e));
    }
    let (temporary, file) = create_beside(&target).map_err(|e| failed(path, e))?;
    let result = fill_buffered(file, fill).and_then(|file| {
        if let Some(old) = old {
            file.set_permissions(old.permissions())?;
        }
        file.sync_all()?;
        drop(file);
        fs::rename(&temporary, &target)?;
        sync_folder(&target)
    });
    result.map_err(|e| {
        // Gone already when only the folder's sync failed.
        let _ = fs::remove_file(&temporary);
        failed(path, e)
    })
}

fn fill_buffered(
    file: File,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<File> {
    let mut out = BufWriter::with_capacity(1 << 18, file);
    fill(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)
}

fn create_beside(target: &Path) -> io::Result<(PathBuf, File)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = target.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    loop {
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        hidden.push(format!(".{}-{number}.tmp", process::id()));
        let temporary = target.with_file_name(hidden);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|file| (temporary, file)),
        }
    }
}

/// Makes a rename in the folder of `path` durable, where the system can.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn failed(path: &Path, source: io::Error) -> FileError {
    let help = match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full: free some space and run again; a file of that name that was there \
             before is unchanged"
        }
        io::ErrorKind::NotFound => "create its folder first",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "check the permissions of the folder, or write elsewhere"
        }
        _ => "",
    };
    FileError::Io { action: "write", path: path.to_owned(), source, help: help.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut v: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        v.sort();
        v
    }

    #[test]
    fn replaces_whole_files_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        write(&path, |w| w.write_all(b"one")).unwrap();
        write(&path, |w| w.write_all(b"two!")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two!");
        assert_eq!(names(dir.path()), ["a.bin"]);
    }

    #[test]
    fn a_full_disk_keeps_the_old_file_and_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        fs::write(&path, b"old").unwrap();
        let e = write(&path, |w| {
            w.write_all(&[7; 1 << 20])?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err()
        .to_string();
        assert!(
            e.contains("a.bin") && e.contains("disk is full") && e.contains("unchanged"),
            "{e}"
        );
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["a.bin"]);
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let e = write(&dir.path().join("no/a.bin"), |_| Ok(())).unwrap_err().to_string();
        assert!(e.contains("create its folder"), "{e}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn devices_are_written_directly() {
        write(Path::new("/dev/null"), |w| w.write_all(b"x")).unwrap();
        let e = write(Path::new("/dev/full"), |w| w.write_all(b"x")).unwrap_err().to_string();
        assert!(e.contains("/dev/full") && e.contains("disk is full"), "{e}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&file, b"old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, |w| w.write_all(b"new")).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
    }
}
