//! Running programs: shown, checked, and their words kept where they are needed.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// The repository's root folder.
pub fn root() -> &'static Path {
    // This crate lies two folders below it.
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."))
}

/// A program, to be run in the root folder.
pub fn command<S: AsRef<str>>(program: &str, args: &[S]) -> Command {
    let mut c = Command::new(program);
    c.current_dir(root()).args(args.iter().map(AsRef::as_ref)).stdin(Stdio::null());
    c
}

/// Cargo, the one that runs this program. In CI a lock file that is behind is an error.
pub fn cargo<S: AsRef<str>>(args: &[S]) -> Command {
    let mut words: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
    // Not of tools: their lock files may name what a mirror of the registry does not have.
    let ours = words.first().is_some_and(|&w| w != "fmt" && w != "install");
    if env::var_os("CI").is_some() && ours {
        words.insert(1, "--locked");
    }
    command(&env::var("CARGO").unwrap_or_else(|_| "cargo".into()), &words)
}

/// The command as it would be typed.
fn typed(c: &Command) -> String {
    let program = Path::new(c.get_program()).file_name().unwrap_or(c.get_program());
    let words = c.get_args().map(|a| a.to_string_lossy());
    std::iter::once(program.to_string_lossy()).chain(words).collect::<Vec<_>>().join(" ")
}

/// Runs a program and shows what it prints.
pub fn run(c: &mut Command) -> Result<()> {
    let line = typed(c);
    println!("$ {line}");
    let status = c.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}

/// Runs a program and returns what it prints.
pub fn output(c: &mut Command) -> Result<String> {
    let line = typed(c);
    let out = c.output().with_context(|| format!("cannot start `{line}`"))?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        bail!("`{line}` failed: {}\n{}", out.status, said.trim_end());
    }
    String::from_utf8(out.stdout).with_context(|| format!("`{line}` printed no text"))
}

/// Runs a program, shows what it prints and hands each line to `see`; true when it succeeded.
pub fn watch(c: &mut Command, mut see: impl FnMut(&str)) -> Result<bool> {
    let line = typed(c);
    println!("$ {line}");
    let mut child =
        c.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start `{line}`"))?;
    let Some(out) = child.stdout.take() else { bail!("`{line}` has no output") };
    for text in BufReader::new(out).split(b'\n') {
        let text = text.with_context(|| format!("cannot read what `{line}` prints"))?;
        let text = String::from_utf8_lossy(&text);
        see(&text);
        writeln!(std::io::stdout(), "{text}")?;
    }
    Ok(child.wait()?.success())
}

/// Where a program lies.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|p| p.join(program)).find(|p| p.is_file())
}
