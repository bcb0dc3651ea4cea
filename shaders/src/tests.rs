//! Every kernel parses, validates, and translates to SPIR-V, MSL and HLSL.

use naga::{
    back::{self, hlsl, msl, spv},
    valid::{Capabilities, ValidationFlags, Validator},
};

use crate::{ALL, Kernel};

fn translate(kernel: &Kernel) -> Result<(), String> {
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
    let spirv = spv::write_vec(&module, &info, &spv::Options::default(), None)
        .map_err(|e| format!("SPIR-V: {e}"))?;
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
    whole.then_some(()).ok_or_else(|| "an entry point got lost".into())
}

#[test]
fn kernels_translate_to_every_platform() {
    let wrong: Vec<String> =
        ALL.iter().filter_map(|k| translate(k).err().map(|e| format!("{}: {e}", k.name))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
