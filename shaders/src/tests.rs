//! Every kernel parses, validates, and translates to SPIR-V, MSL and HLSL; what the translations are
//! is kept in `snapshots.txt`, so that a change of a kernel or of naga shows in review.

use std::{env, fs, path::PathBuf, process::Command};

use naga::{
    back::{self, hlsl, msl, spv},
    valid::{Capabilities, ValidationFlags, Validator},
};

use crate::{ALL, Kernel};

/// A kernel in the languages of the platforms.
struct Translated {
    spirv: Vec<u32>,
    metal: String,
    hlsl: String,
}

fn translate(kernel: &Kernel) -> Result<Translated, String> {
    let text = kernel.example();
    let module = naga::front::wgsl::parse_str(&text).map_err(|e| e.emit_to_string(&text))?;
    // Unpacking pairs of halves is in WebGPU itself.
    let packed = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let info = Validator::new(ValidationFlags::all(), packed)
        .validate(&module)
        .map_err(|e| e.emit_to_string(&text))?;
    let (module, info) =
        back::pipeline_constants::process_overrides(&module, &info, None, &Default::default())
            .map_err(|e| format!("overrides: {e}"))?;
    // As wgpu writes it for Vulkan 1.3.
    let options = spv::Options { lang_version: (1, 6), ..Default::default() };
    let spirv =
        spv::write_vec(&module, &info, &options, None).map_err(|e| format!("SPIR-V: {e}"))?;
    let options =
        msl::Options { fake_missing_bindings: true, lang_version: (2, 4), ..Default::default() };
    let (metal, _) = msl::write_string(&module, &info, &options, &Default::default())
        .map_err(|e| format!("MSL: {e}"))?;
    let options = hlsl::Options { fake_missing_bindings: true, ..Default::default() };
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &Default::default())
        .write(&module, &info, None)
        .map_err(|e| format!("HLSL: {e}"))?;
    let whole = spirv.len() > 100 && metal.contains("kernel void") && text.contains("numthreads");
    let translated = Translated { spirv, metal, hlsl: text };
    whole.then_some(translated).ok_or_else(|| "an entry point got lost".into())
}

/// FNV-1a.
fn digest(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

impl Translated {
    fn spirv_bytes(&self) -> Vec<u8> {
        self.spirv.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    /// Length and digest in each language.
    fn line(&self, name: &str) -> String {
        let of = |bytes: &[u8]| format!("{:>6} {:016x}", bytes.len(), digest(bytes));
        let (spirv, metal, hlsl) =
            (of(&self.spirv_bytes()), of(self.metal.as_bytes()), of(self.hlsl.as_bytes()));
        format!("{name:<32} {spirv}  {metal}  {hlsl}\n")
    }
}

#[test]
fn kernels_translate_to_every_platform_as_before() {
    let mut lines = String::from("# kernel: bytes and FNV-1a of its SPIR-V, MSL and HLSL\n");
    let mut wrong = Vec::new();
    for kernel in ALL {
        match translate(kernel) {
            Ok(translated) => lines.push_str(&translated.line(kernel.name)),
            Err(e) => wrong.push(format!("{}: {e}", kernel.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots.txt");
    if env::var_os("M2_UPDATE_SNAPSHOTS").is_some() {
        fs::write(path, &lines).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    let changed: Vec<&str> = lines.lines().filter(|l| !kept.lines().any(|k| k == *l)).collect();
    assert!(
        kept == lines,
        "translations changed; M2_UPDATE_SNAPSHOTS=1 keeps the new ones:\n{}",
        changed.join("\n")
    );
}

/// What the reference validator says of the SPIR-V.
#[test]
fn spirv_val_accepts_every_kernel() {
    if Command::new("spirv-val").arg("--version").output().is_err() {
        println!("skipped: there is no spirv-val");
        return;
    }
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/spirv");
    let folder = env::var_os("CARGO_TARGET_DIR").map_or(folder, |t| PathBuf::from(t).join("spirv"));
    fs::create_dir_all(&folder).unwrap();
    for kernel in ALL {
        let path = folder.join(format!("{}.spv", kernel.name.replace('/', "-")));
        fs::write(&path, translate(kernel).unwrap_or_else(|e| panic!("{e}")).spirv_bytes())
            .unwrap();
        let said = Command::new("spirv-val").args(["--target-env", "spv1.6"]).arg(&path).output();
        let said = said.unwrap();
        assert!(
            said.status.success(),
            "{}: {}",
            kernel.name,
            String::from_utf8_lossy(&said.stderr)
        );
    }
}

/// WebGPU's default limits, which every kernel keeps.
#[test]
fn kernels_keep_the_default_limits() {
    for kernel in ALL {
        let module = naga::front::wgsl::parse_str(&kernel.example()).unwrap();
        let storage = module
            .global_variables
            .iter()
            .filter(|(_, v)| matches!(v.space, naga::AddressSpace::Storage { .. }))
            .count();
        assert!(storage <= 8, "{}: {storage} storage buffers", kernel.name);
        let group: u32 = module.entry_points[0].workgroup_size.iter().product();
        assert!(group <= 256, "{}: {group} invocations", kernel.name);
    }
}
