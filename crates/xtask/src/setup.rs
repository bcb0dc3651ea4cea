//! Installing what building and testing need, or saying exactly what to install.

use std::{env, path::PathBuf};

use anyhow::{Result, bail};

use crate::{
    machine::{self, RUSTC_WEB_PACKAGES, WasmCompiler},
    shell::{cargo, command, find, output, root, run},
    web,
};

/// `cargo xtask setup`
pub fn chore(_: &[String]) -> Result<()> {
    setup()
}

/// Installs what is missing.
pub fn setup() -> Result<()> {
    packages()?;
    wasm_target()?;
    web::bindgen()?;
    node_modules()
}

/// Something that a Debian or Ubuntu package brings.
struct Need {
    what: &'static str,
    present: fn() -> bool,
    packages: &'static [&'static str],
}

const NEEDS: &[Need] = &[
    Need { what: "a C compiler", present: || find("cc").is_some(), packages: &["build-essential"] },
    Need {
        what: "pip, which fetches the model of the first command",
        present: || output(&mut command("python3", &["-m", "pip", "--version"])).is_ok(),
        packages: &["python3", "python3-pip"],
    },
    Need {
        what: "the Vulkan loader",
        present: machine::has_vulkan_loader,
        packages: &["libvulkan1"],
    },
    Need {
        what: "lavapipe, a Vulkan driver without a GPU",
        present: || machine::software_drivers().iter().any(|d| d.name == "lavapipe"),
        packages: &["mesa-vulkan-drivers"],
    },
    Need {
        what: "spirv-val, which checks the kernels' SPIR-V",
        present: || find("spirv-val").is_some(),
        packages: &["spirv-tools"],
    },
    Need {
        what: "Chromium",
        present: || machine::chromium().is_some_and(|p| p.is_file()),
        packages: &["chromium"],
    },
    Need {
        what: "Node.js and npm",
        present: || find("node").is_some() && find("npm").is_some(),
        packages: &["nodejs", "npm"],
    },
];

fn packages() -> Result<()> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|n| !(n.present)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().flat_map(|n| n.packages).copied().collect();
    for n in &missing {
        println!("missing: {}", n.what);
    }
    apt(&names)?;
    match missing.iter().find(|n| !(n.present)()) {
        Some(n) => bail!("{} is still missing after installing {}", n.what, n.packages.join(" ")),
        None => Ok(()),
    }
}

/// Installs Debian or Ubuntu packages.
fn apt(names: &[&str]) -> Result<()> {
    if !machine::can_apt() {
        bail!(
            "install what is missing, then run this again; on Debian or Ubuntu:\n  \
             sudo apt-get update && sudo apt-get install --no-install-recommends {}",
            names.join(" ")
        );
    }
    run(&mut command("apt-get", &["update", "-q"]))?;
    let options = ["install", "-q", "-y", "--no-install-recommends"];
    let words: Vec<&str> = options.iter().chain(names).copied().collect();
    run(command("apt-get", &words).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Gets a compiler for wasm32: the target's standard library from rustup, else Debian's compiler.
fn wasm_target() -> Result<()> {
    if machine::wasm_compiler().is_some() {
        return Ok(());
    }
    println!("missing: the standard library for wasm32");
    if find("rustup").is_some() {
        let _ = run(&mut command("rustup", &["target", "add", "wasm32-unknown-unknown"]));
    }
    if machine::wasm_compiler() != Some(WasmCompiler::Usual) {
        apt(&RUSTC_WEB_PACKAGES)?;
    }
    match machine::wasm_compiler() {
        Some(_) => Ok(()),
        None => bail!("no compiler for wasm32 after installing one"),
    }
}

fn node_modules() -> Result<()> {
    if root().join("web/node_modules/playwright-core/package.json").is_file() {
        return Ok(());
    }
    let words = ["--prefix", "web", "ci", "--no-audit", "--no-fund"];
    run(&mut command("npm", &words))
}

/// Installs a program from a crate below the target folder and returns its path.
pub fn install(name: &str, program: &str, version: &str) -> Result<PathBuf> {
    let folder = target_dir()?.join("tools").join(format!("{name}-{version}"));
    let path = folder.join("bin").join(program);
    if !path.is_file() {
        let folder = folder.to_string_lossy();
        // Unoptimised: it compiles in a third of the time, and runs for a second.
        let words = ["install", name, "--version", version, "--debug", "--root", &folder];
        let mut c = cargo(&words);
        c.env_remove("CARGO_TARGET_DIR");
        run(&mut c)?;
    }
    Ok(path)
}

/// Where cargo builds.
pub fn target_dir() -> Result<PathBuf> {
    Ok(env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |d| root().join(d)))
}
