//! Whole models against the public references, value by value.

use std::path::Path;

use m2::{
    Device,
    verify::{Arithmetic, Golden, Report},
};
use m2_ir::HostTensor;
use pollster::block_on;

use crate::support::{
    device::{as_gpus_are, gpu},
    golden::{json, name, tensors, tree},
    random::Random,
};

/// Every model folder.
const MODELS: [&str; 3] = ["m2_", "hfbert_", "alibi_"];

fn passes(folder: &Path, how: &str, report: &Report) {
    println!("{} in {how}\n{report}", name(folder));
    assert!(report.passed(), "{} in {how}:\n{report}", folder.display());
    assert_eq!(report.compared(), report.outputs());
    assert!(report.compared() > 0);
}

#[test]
fn golden_models_in_f32() {
    let device = Device::cpu(0);
    for folder in tree().folders(&MODELS) {
        let golden = Golden::open(&folder).unwrap();
        let report = block_on(golden.verify(Arithmetic::F32(&device), &[])).unwrap();
        passes(&folder, "f32", &report);
    }
}

/// On the GPU, or software adapter, that the environment selects.
#[test]
fn golden_models_on_the_gpu() {
    if let Some(device) = gpu() {
        models_on(&device);
    }
}

/// The same with the kernels that GPUs get.
#[test]
fn golden_models_on_the_gpu_through_workgroup_memory() {
    if let Some(device) = as_gpus_are() {
        models_on(&device);
    }
}

fn models_on(device: &Device) {
    for folder in tree().folders(&MODELS) {
        let golden = Golden::open(&folder).unwrap();
        let report = block_on(golden.verify(Arithmetic::F32(device), &[])).unwrap();
        passes(&folder, &device.to_string(), &report);
    }
}

#[test]
fn golden_models_in_f64() {
    let folders = tree().folders(&MODELS);
    let with = |f: &&std::path::PathBuf| f.join("io_f64.safetensors").exists();
    assert!(folders.is_empty() || folders.iter().any(|f| with(&f)));
    for folder in folders.iter().filter(with) {
        let golden = Golden::open(folder).unwrap();
        let report = block_on(golden.verify(Arithmetic::F64, &[])).unwrap();
        passes(folder, "f64", &report);
    }
}

/// A tensor that the model's values do not depend on, or hardly.
///
/// Softmax ignores a constant added to a row of scores. Tensors stored under several names count
/// once: to scale one copy of them is refused at loading, which also is no pass.
fn without_effect(tensor: &str) -> bool {
    tensor.ends_with("attention.self.key.bias")
}

/// One tensor scaled by 1.01 is noticed, 20 times of 20.
#[test]
fn golden_models_notice_a_scaled_tensor() {
    let device = Device::cpu(0);
    for folder in tree().folders(&MODELS) {
        let config = json(&folder.join("config.json")).to_string();
        let (model, io) =
            (tensors(&folder.join("model.safetensors")), tensors(&folder.join("io.safetensors")));
        let eligible: Vec<&String> = model
            .iter()
            .filter(|(n, t)| t.dtype().is_float() && !without_effect(n))
            .map(|(n, _)| n)
            .collect();
        let mut random = Random::new(1 + eligible.len() as u32);
        for _ in 0..20 {
            let drawn = eligible[random.below(eligible.len())];
            let mut changed = model.clone();
            let scaled: Vec<f32> = model[drawn].to_f32().iter().map(|v| v * 1.01).collect();
            changed.insert(drawn.clone(), HostTensor::from_f32(model[drawn].shape(), &scaled));
            // Copies of one tensor that differ are an error, which is noticing too.
            let Ok(mut golden) = Golden::new(&config, changed, io.clone()) else { continue };
            golden.err_abs = Golden::open(&folder).unwrap().err_abs;
            let report = block_on(golden.verify(Arithmetic::F32(&device), &[])).unwrap();
            assert!(!report.passed(), "{}: {drawn} scaled passes", folder.display());
        }
    }
}
