//! The library for browsers: building it, and verifying golden models in one.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};

use crate::{
    machine::{self, RUSTC_WEB, WasmCompiler},
    setup::{install, target_dir},
    shell::{cargo, command, find, output, root, run},
};

const TARGET: &str = "wasm32-unknown-unknown";

/// `cargo xtask web`
pub fn build_chore(_: &[String]) -> Result<()> {
    build()
}

/// `cargo xtask browser`: builds, then verifies; arguments go to the test.
pub fn browser_chore(args: &[String]) -> Result<()> {
    build()?;
    browser(args)
}

/// Builds `web/pkg`.
pub fn build() -> Result<()> {
    let Some(compiler) = machine::wasm_compiler() else {
        bail!("there is no compiler for wasm32; run `cargo xtask setup`");
    };
    // Apart from the other builds: its compiler may be another one.
    let target = target_dir()?.join("web");
    let folder = target.to_string_lossy();
    let words = ["build", "--release", "-p", "m2-web", "--target", TARGET, "--target-dir", &folder];
    match compiler {
        WasmCompiler::Usual => run(&mut cargo(&words))?,
        WasmCompiler::RustcWeb => {
            let words: Vec<&str> =
                words.iter().copied().chain(["-Zbuild-std=std,panic_abort"]).collect();
            let mut c = cargo(&words);
            c.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", machine::rust_lld()?)
                .env("RUSTC", RUSTC_WEB)
                // It builds the standard library with a stable compiler.
                .env("RUSTC_BOOTSTRAP", "1")
                // Set by `cargo run`: the libraries of the other compiler.
                .env_remove("LD_LIBRARY_PATH");
            run(&mut c)?;
        }
    }
    let wasm = target.join(TARGET).join("release/m2_web.wasm");
    let wasm = wasm.to_string_lossy();
    let bindgen = bindgen()?;
    run(&mut command(
        &bindgen.to_string_lossy(),
        &["--target", "web", "--out-dir", "web/pkg", &wasm],
    ))?;
    let size = fs::metadata(root().join("web/pkg/m2_web_bg.wasm"))?.len();
    println!("web/pkg/m2_web_bg.wasm: {} kB", size / 1000);
    Ok(())
}

/// Runs the golden models in headless Chromium.
pub fn browser(args: &[String]) -> Result<()> {
    let Some(chromium) = machine::chromium() else {
        bail!("there is no Chromium; run `cargo xtask setup`, or name a browser in CHROMIUM");
    };
    let words: Vec<&str> =
        ["web/test/browser.mjs"].into_iter().chain(args.iter().map(String::as_str)).collect();
    run(command("node", &words).env("CHROMIUM", chromium))
}

/// The program that writes the JavaScript side; it has to be of the crate's version.
pub fn bindgen() -> Result<PathBuf> {
    let version = locked_version("wasm-bindgen")?;
    if let Some(path) = find("wasm-bindgen") {
        let said = output(&mut command("wasm-bindgen", &["--version"]))?;
        if said.split_whitespace().nth(1) == Some(&version) {
            return Ok(path);
        }
    }
    install("wasm-bindgen-cli", "wasm-bindgen", &version)
}

/// The version of a package in `Cargo.lock`.
fn locked_version(package: &str) -> Result<String> {
    let path = root().join("Cargo.lock");
    let lock = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut lines = lock.lines();
    lines
        .find(|l| *l == format!("name = \"{package}\""))
        .and_then(|_| lines.next()?.strip_prefix("version = \"")?.strip_suffix('"'))
        .map(str::to_owned)
        .with_context(|| format!("{package} is not in Cargo.lock"))
}
