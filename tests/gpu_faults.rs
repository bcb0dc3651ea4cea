//! A model whose GPU is lost, or grants little: the answer is right, or an error that says why.

use m2::{Device, Error, Gpu, Model, OpenOptions};
use m2_ir::{Batch, HostTensor, Text};
use m2_wgpu::Limits;
use pollster::block_on;

use crate::support::{device::gpu_within, golden::tree, house, random::Random};

/// Rows of several lengths within the small golden model's 32 tokens.
fn batch(random: &mut Random) -> Batch {
    let lengths: Vec<usize> = (0..1 + random.below(4)).map(|_| 1 + random.below(32)).collect();
    let ids: Vec<Vec<u32>> =
        lengths.iter().map(|n| (0..*n).map(|_| random.below(100) as u32).collect()).collect();
    let texts: Vec<Text<'_>> =
        ids.iter().map(|ids| Text { ids, token_types: None, valid: ids.len() }).collect();
    Batch::from_texts(&texts).unwrap()
}

fn open(device: Device) -> Model {
    let folder = tree().folders(&["m2_h64_l2_s32"]).remove(0);
    Model::open(&folder, device, OpenOptions::default()).unwrap()
}

fn backend(model: &Model) -> &Gpu {
    match model.device() {
        Device::Gpu(gpu) => gpu,
        Device::Cpu(_) => panic!("not on a GPU"),
    }
}

const HIDDEN: &[&str] = &[m2_nn::models::outputs::HIDDEN];

fn compare(found: &[HostTensor], expected: &[HostTensor], batch: &Batch) {
    let (found, expected) = (found[0].to_f32(), expected[0].to_f32());
    let width = expected.len() / batch.rows().tokens();
    let top = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    for row in batch.rows().rows() {
        let at = row.offset as usize * width..(row.offset + row.length) as usize * width;
        for (f, e) in found[at.clone()].iter().zip(&expected[at]) {
            assert!((f - e).abs() <= 2e-4 * top, "{f} instead of {e}");
        }
    }
}

#[test]
fn a_model_outlives_fifty_lost_gpus() {
    let Some(device) = gpu_within(Limits::WebGpu).unwrap() else { return };
    let (mut ours, mut oracle) = (open(device), open(Device::cpu(1)));
    let mut random = Random::new(50);
    let mut healed = 0;
    for _ in 0..50 {
        let batch = batch(&mut random);
        let expected = block_on(oracle.run(&batch, HIDDEN)).unwrap();
        // Loading computes spectra too: some are lost then, some between, some never.
        backend(&ours).backend().destroy_after(random.below(40) as u64);
        let before = backend(&ours).reopened();
        let found = block_on(ours.run(&batch, HIDDEN)).unwrap();
        compare(&found, &expected, &batch);
        healed += usize::from(backend(&ours).reopened() > before);
    }
    println!("{healed} of 50 were lost and opened again");
    assert!(healed > 20);
}

#[test]
fn batches_in_flight_outlive_a_lost_gpu() {
    let Some(device) = gpu_within(Limits::WebGpu).unwrap() else { return };
    let (mut ours, mut oracle) = (open(device), open(Device::cpu(1)));
    let mut random = Random::new(52);
    for _ in 0..10 {
        let mut batches: Vec<Batch> = (0..3).map(|_| batch(&mut random)).collect();
        // Alike ones are in flight together.
        batches.extend(vec![batches[2].clone(); 3]);
        backend(&ours).backend().destroy_after(random.below(150) as u64);
        let mut found = Vec::new();
        block_on(ours.run_each(&batches, HIDDEN, &mut |i, values| {
            assert_eq!(i, found.len());
            found.push(values);
            Ok(true)
        }))
        .unwrap();
        assert_eq!(found.len(), batches.len());
        for (found, batch) in found.iter().zip(&batches) {
            compare(found, &block_on(oracle.run(batch, HIDDEN)).unwrap(), batch);
        }
    }
    assert!(backend(&ours).reopened() > 5);
    // Whoever has enough gets no more.
    let mut seen = 0;
    let batches = vec![batch(&mut random); 4];
    let each = &mut |_: usize, _: Vec<HostTensor>| {
        seen += 1;
        Ok(seen < 2)
    };
    block_on(ours.run_each(&batches, HIDDEN, each)).unwrap();
    assert_eq!(seen, 2);
}

#[test]
fn a_model_runs_within_any_gpu_limits_or_says_why_not() {
    if gpu_within(Limits::WebGpu).unwrap().is_none() {
        return;
    }
    let mut oracle = open(Device::cpu(1));
    let mut random = Random::new(51);
    let (mut right, mut refused) = (0, 0);
    for _ in 0..50 {
        let limits = Limits::AtMost {
            binding: 1 << (10 + random.below(18)),
            buffer: 1 << (10 + random.below(19)),
            workgroup_memory: 8192 << random.below(3),
        };
        let batch = batch(&mut random);
        let expected = block_on(oracle.run(&batch, HIDDEN)).unwrap();
        let found = gpu_within(limits.clone()).and_then(|device| {
            let mut ours = open(device.unwrap());
            block_on(ours.run(&batch, HIDDEN))
        });
        match found {
            Ok(found) => {
                compare(&found, &expected, &batch);
                right += 1;
            }
            Err(Error::Gpu(e @ m2_wgpu::Error::Limit { .. })) => {
                assert!(e.to_string().contains("needs"), "{e}");
                refused += 1;
            }
            Err(e) => panic!("{limits:?}: {e}"),
        }
    }
    println!("{right} right, {refused} refused");
    assert!(right > 5 && refused > 5);
}

#[test]
fn odd_batches_run_on_the_gpu() {
    let Some(device) = gpu_within(Limits::WebGpu).unwrap() else { return };
    let (mut ours, mut oracle) = (open(device), open(Device::cpu(0)));
    let id = [7];
    let one = Text { ids: &id, token_types: None, valid: 1 };
    for texts in [vec![], vec![one], vec![one; 10_000]] {
        let batch = Batch::from_texts(&texts).unwrap();
        let expected = block_on(oracle.run(&batch, HIDDEN)).unwrap();
        let found = block_on(ours.run(&batch, HIDDEN)).unwrap();
        match texts.is_empty() {
            true => assert!(found[0].to_f32().is_empty()),
            false => compare(&found, &expected, &batch),
        }
    }
    let long = vec![5; 33];
    let long = Text { ids: &long, token_types: None, valid: 33 };
    let error = block_on(ours.run(&Batch::from_texts(&[long]).unwrap(), HIDDEN)).unwrap_err();
    assert!(error.to_string().contains("33 tokens, the model takes at most 32"), "{error}");
}

/// A software driver takes its memory from the process: a real allocation fails where that may have
/// no more.
#[cfg(unix)]
#[test]
fn a_gpu_without_memory_is_said_to_have_none() {
    if std::env::var_os("VK_DRIVER_FILES").is_none() {
        println!("skipped: VK_DRIVER_FILES names no software driver");
        return;
    }
    let bench = ["bench", "forward", "--device", "gpu", "--lengths", "512", "--batch", "64"];
    let found = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 1500000; exec \"$0\" \"$@\""])
        .arg(house::m2())
        .args(bench)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&found.stderr);
    assert_eq!(found.status.code(), Some(2), "{said}");
    assert!(said.contains("the GPU is out of memory") && said.contains("smaller batch"), "{said}");
}
