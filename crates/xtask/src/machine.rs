//! What is on this machine.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::shell::{command, find, output};

/// Whether packages can be installed with apt.
pub fn can_apt() -> bool {
    let root = output(&mut command("id", &["-u"])).is_ok_and(|id| id.trim() == "0");
    root && find("apt-get").is_some()
}

/// A browser with WebGPU: the one that `CHROMIUM` names, or an installed one.
pub fn chromium() -> Option<PathBuf> {
    env::var_os("CHROMIUM")
        .map(PathBuf::from)
        .or_else(|| ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(find))
}

/// A Vulkan driver that needs no GPU.
pub struct SoftwareDriver {
    /// The name people use.
    pub name: &'static str,
    /// Its description for the Vulkan loader.
    pub manifest: PathBuf,
}

/// The software Vulkan drivers on this machine.
pub fn software_drivers() -> Vec<SoftwareDriver> {
    let mesa = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"]
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .find(|path| file_name(path).starts_with("lvp_icd"));
    let swiftshader = chromium()
        .and_then(|path| path.canonicalize().ok())
        .into_iter()
        .filter_map(|path| Some(path.parent()?.join("vk_swiftshader_icd.json")))
        // Debian's /usr/bin/chromium is a script.
        .chain([PathBuf::from("/usr/lib/chromium/vk_swiftshader_icd.json")])
        .find(|path| path.is_file());
    let named =
        |name, manifest: Option<PathBuf>| Some(SoftwareDriver { name, manifest: manifest? });
    [named("lavapipe", mesa), named("SwiftShader", swiftshader)].into_iter().flatten().collect()
}

/// Whether the Vulkan loader is installed.
pub fn has_vulkan_loader() -> bool {
    output(&mut command("ldconfig", &["-p"])).is_ok_and(|list| list.contains("libvulkan.so.1"))
}

/// Which compiler builds for browsers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WasmCompiler {
    /// The usual one, which has the target's standard library.
    Usual,
    /// Debian's rustc-web, which builds the standard library from source.
    RustcWeb,
}

/// Debian's compiler for the web.
pub const RUSTC_WEB: &str = "/usr/bin/rustc";
/// Its packages.
pub const RUSTC_WEB_PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "libstd-rust-web-dev"];

/// The compiler for browsers on this machine, if there is one.
pub fn wasm_compiler() -> Option<WasmCompiler> {
    let usual = sysroot().is_ok_and(|s| s.join("lib/rustlib/wasm32-unknown-unknown/lib").is_dir());
    if usual {
        return Some(WasmCompiler::Usual);
    }
    RUSTC_WEB_PACKAGES
        .iter()
        .all(|p| output(&mut command("dpkg", &["--status", p])).is_ok())
        .then_some(WasmCompiler::RustcWeb)
}

/// The folder of the usual compiler.
pub fn sysroot() -> Result<PathBuf> {
    let path = output(&mut command("rustc", &["--print", "sysroot"]))?;
    Ok(PathBuf::from(path.trim()))
}

/// The LLVM linker that comes with the usual compiler.
pub fn rust_lld() -> Result<PathBuf> {
    let version = output(&mut command("rustc", &["-vV"]))?;
    let host =
        version.lines().find_map(|l| l.strip_prefix("host: ")).context("rustc -vV: no host")?;
    Ok(sysroot()?.join("lib/rustlib").join(host).join("bin/rust-lld"))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
