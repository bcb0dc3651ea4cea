//! Formatting, lints, tests: what the command of README.md runs, and each part by itself.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::Value;

use crate::{
    machine::{self, SoftwareDriver},
    report::{Counts, Report},
    setup,
    shell::{cargo, command, output, run, watch},
    web,
};

/// Packages with tests that need a GPU.
const GPU_PACKAGES: &[&str] = &["m2-wgpu", "m2", "m2-cli", "m2-tests"];

/// `cargo xtask test`
pub fn test(_: &[String]) -> Result<()> {
    let one = |done: Result<()>| done.map(|()| Counts::ONE);
    let mut report = Report::new();
    report.step("setup", || setup::setup().map(|()| Counts::default()))?;
    report.step("format", || one(fmt(&[])))?;
    report.step("lints", || one(clippy(&[])))?;
    report.step("documentation", || one(doc(&[])))?;
    report.step("tests", tests)?;
    for driver in machine::software_drivers() {
        report.step(driver.name, || gpu_tests(&driver))?;
    }
    report.step("web build", || one(web::build()))?;
    report.step("browser", || one(web::browser(&[])))?;
    report.close();
    Ok(())
}

/// `cargo xtask fmt`
pub fn fmt(_: &[String]) -> Result<()> {
    run(&mut cargo(&["fmt", "--all", "--check"]))
}

/// `cargo xtask clippy`
pub fn clippy(_: &[String]) -> Result<()> {
    let lint = |what: &[&str]| {
        run(&mut cargo(&[&["clippy", "--release"], what, &["--", "-Dwarnings"]].concat()))
    };
    lint(&["--workspace", "--all-targets"])?;
    // Without any GPU it has to build as well.
    lint(&["-p", "m2-cli", "--no-default-features"])
}

/// `cargo xtask doc`
pub fn doc(_: &[String]) -> Result<()> {
    run(cargo(&["doc", "--release", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-Dwarnings"))
}

/// `cargo xtask gpu`
pub fn gpu(_: &[String]) -> Result<()> {
    let drivers = machine::software_drivers();
    if drivers.is_empty() {
        bail!("there is no software Vulkan driver; run `cargo xtask setup`");
    }
    let mut report = Report::new();
    for driver in drivers {
        report.step(driver.name, || gpu_tests(&driver))?;
    }
    report.close();
    Ok(())
}

/// All tests, on the adapters that this machine has.
fn tests() -> Result<Counts> {
    let mut counts = Counts::default();
    let words = ["test", "--release", "--workspace", "--no-fail-fast"];
    if !watch(&mut cargo(&words), |line| counts.add_line(line))? && counts.failed == 0 {
        bail!("the tests did not build, or one of them died");
    }
    Ok(counts)
}

/// The tests that need a GPU, on one software driver: all of `m2-wgpu`, and those of other
/// packages that have `gpu` in their names.
fn gpu_tests(driver: &SoftwareDriver) -> Result<Counts> {
    let mut counts = Counts::default();
    for binary in test_binaries()? {
        let filter: &[&str] = if binary.package == "m2-wgpu" { &[] } else { &["gpu"] };
        let program = binary.executable.to_string_lossy();
        let mut c = command(&program, filter);
        // As cargo runs tests.
        c.current_dir(&binary.folder)
            .env("CARGO_MANIFEST_DIR", &binary.folder)
            .env("VK_DRIVER_FILES", &driver.manifest)
            // Without an adapter a test fails here, where it would be skipped elsewhere.
            .env("M2_REQUIRE_GPU", "1");
        if !watch(&mut c, |line| counts.add_line(line))? && counts.failed == 0 {
            bail!("a test of {} died", binary.package);
        }
    }
    if counts.passed == 0 {
        bail!("no test ran on {}", driver.name);
    }
    Ok(counts)
}

/// A built program that runs tests.
struct TestBinary {
    package: String,
    folder: PathBuf,
    executable: PathBuf,
}

/// The packages with tests that need a GPU, as [`tests`] builds them: a narrower selection would
/// compile everything again with other features.
fn test_binaries() -> Result<Vec<TestBinary>> {
    let words = ["test", "--release", "--workspace", "--no-run", "--message-format=json"];
    let messages = output(&mut cargo(&words))?;
    let mut all = Vec::new();
    for line in messages.lines() {
        let m: Value = serde_json::from_str(line)?;
        let (Some(executable), Some(manifest)) =
            (m["executable"].as_str(), m["manifest_path"].as_str())
        else {
            continue;
        };
        let folder = Path::new(manifest).with_file_name("");
        // `path+file:///…/m2-wgpu#0.1.0`, or `…/tests#m2-tests@0.1.0`.
        let id = m["package_id"].as_str().unwrap_or_default();
        let (before, after) = id.rsplit_once('#').unwrap_or((id, ""));
        let package = match after.split_once('@') {
            Some((name, _)) => name,
            None => before.rsplit('/').next().unwrap_or_default(),
        };
        if m["profile"]["test"] == true && GPU_PACKAGES.contains(&package) {
            let (package, executable) = (package.to_owned(), executable.into());
            all.push(TestBinary { package, folder, executable });
        }
    }
    Ok(all)
}
