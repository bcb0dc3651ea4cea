//! Models whose weights a GPU stores in half precision.

use m2::{Device, Model, OpenOptions};
use m2_ir::{Batch, Text};
use m2_nn::models::outputs::HIDDEN;
use m2_wgpu::{Options, Schedule, Storage};
use pollster::block_on;

use crate::support::{device::gpu_with, golden::tree};

/// Hidden states of a row, and what the plan takes on the device.
fn hidden(weights: Storage) -> Option<(Vec<f32>, Schedule)> {
    let device = gpu_with(Options { weights, ..Options::default() }).unwrap()?;
    let folder = tree().folders(&["m2_h64_l2_s32"]).remove(0);
    let mut model = Model::open(&folder, device, OpenOptions::default()).unwrap();
    let ids: Vec<u32> = (0..31).map(|i| i * i % 90).collect();
    let batch =
        Batch::from_texts(&[Text { ids: &ids, token_types: None, valid: ids.len() }]).unwrap();
    let found = block_on(model.run(&batch, &[HIDDEN])).unwrap();
    let plan = model.plan(batch.sizes().class(), &[HIDDEN]).unwrap();
    let Device::Gpu(gpu) = model.device() else { unreachable!() };
    Some((found[0].to_f32().to_vec(), gpu.schedule(&plan).unwrap()))
}

#[test]
fn weights_in_halves_take_half_and_lose_little() {
    let Some((exact, whole)) = hidden(Storage::F32) else { return };
    let (found, half) = hidden(Storage::F16).unwrap();
    let saved = whole.memory.weights - half.memory.weights;
    assert!(saved > whole.memory.weights / 4, "{:?} {:?}", half.memory, whole.memory);
    // Each weight is read by one dispatch.
    let read = |s: &Schedule| s.dispatches.iter().map(|d| d.bytes).sum::<u64>();
    assert_eq!(read(&whole) - read(&half), saved);
    let top = exact.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let error = found.iter().zip(&exact).fold(0.0f32, |m, (f, e)| m.max((f - e).abs()));
    // A half has eleven bits, so something is lost, but no more than a few of them in two layers.
    println!("largest error {:.1e} of the largest value", error / top);
    assert!(error > 0.0 && error < 4e-3 * top, "{error} of {top}");
}
