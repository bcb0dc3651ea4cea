//! A text of 32,768 tokens on a GPU within WebGPU's default limits: minutes on a software adapter,
//! so it runs only when it is asked for:
//!
//!     cargo test --release -p m2-tests gpu_long -- --ignored --nocapture
//!
//! `M2_LONG_TEXT` names a file of text, `M2_LONG_TOKENS` another length; with `M2_LONG_F64` set a cut
//! of 4,096 tokens is compared with the plain f64 executor too.

use std::time::Instant;

use m2::Device;
use m2_data::Tokenizer;
use m2_ir::{
    Batch, HostTensor, Text, passes,
    plan::{Fusion, lower},
};
use m2_nn::{Heads, init::init, models, presets::Preset};
use m2_wgpu::Limits;
use pollster::block_on;

use crate::support::{device::gpu_within, house};

/// Words of this repository's own documents, over and over, cut after so many tokens.
fn ids(tokens: usize) -> Vec<u32> {
    let root = house::root();
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let text = match std::env::var("M2_LONG_TEXT") {
        Ok(path) => std::fs::read_to_string(path).unwrap(),
        Err(_) => ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(read).concat(),
    };
    let vocabulary = read("tests/data/bert-base-uncased/vocab.txt");
    let words = Tokenizer::from_vocab(&vocabulary).unwrap().ids(&text, false).unwrap();
    let (cls, sep) = (101, 102);
    let middle = words.into_iter().cycle().take(tokens - 2);
    std::iter::once(cls).chain(middle).chain([sep]).collect()
}

struct Model {
    graph: m2_ir::Graph,
    tensors: std::collections::BTreeMap<String, HostTensor>,
}

impl Model {
    /// The whole model of seeded weights.
    fn new() -> Self {
        let config = Preset::find("m2-bert-80m-32k").unwrap().config();
        let graph = models::graph(&config, Heads::POOLER).unwrap();
        let graph = graph.with_outputs(&[models::outputs::HIDDEN]).unwrap();
        let graph = passes::dead_code(&graph).unwrap();
        Model { graph, tensors: init(&config, Heads::POOLER, 1) }
    }

    fn batch(ids: &[u32]) -> Batch {
        Batch::from_texts(&[Text { ids, token_types: None, valid: ids.len() }]).unwrap()
    }

    /// Hidden states (T, 768) on a device.
    fn run(&self, device: &Device, ids: &[u32]) -> Vec<f32> {
        let start = Instant::now();
        let batch = Model::batch(ids);
        let class = batch.sizes().class();
        let plan = lower(&self.graph, &device.target(), class, Fusion::Full).unwrap();
        let mut weights = device.weights();
        let mut program = block_on(device.load(plan, &self.tensors, &mut weights)).unwrap();
        let loaded = start.elapsed();
        let run = block_on(device.run(&mut program, &batch)).unwrap();
        let found = block_on(device.read(&program, &run, 0)).unwrap().to_f32().to_vec();
        println!(
            "{} tokens on {device}: loaded in {loaded:.1?}, all {:.1?}",
            ids.len(),
            start.elapsed()
        );
        if let (Device::Gpu(gpu), m2::DeviceProgram::Gpu(program)) = (device, &program) {
            let (planned, live) = (program.memory().total(), gpu.backend().live_bytes());
            println!("  planned {planned} bytes, alive {live}: {:?}", program.memory());
            println!("  most alive at once {}", gpu.backend().peak_bytes());
            println!("  {:?}", program.recorded());
            assert_eq!(planned, live);
            assert_eq!(planned, gpu.backend().peak_bytes());
            assert!(planned < 1_500_000_000);
        }
        found
    }
}

/// Errors of x[:, 0], the mean, and some rows, in parts of the largest value.
fn compare(what: &str, found: &[f32], expected: &[f64], tokens: usize) -> f64 {
    let h = expected.len() / tokens;
    let row = |values: &dyn Fn(usize) -> f64, t: usize| -> Vec<f64> {
        (0..h).map(|i| values(t * h + i)).collect()
    };
    let (ours, theirs) = (|i: usize| f64::from(found[i]), |i: usize| expected[i]);
    let mean = |values: &dyn Fn(usize) -> f64| -> Vec<f64> {
        (0..h)
            .map(|i| (0..tokens).map(|t| values(t * h + i)).sum::<f64>() / tokens as f64)
            .collect()
    };
    let error = |a: &[f64], b: &[f64]| {
        let top = b.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / top
    };
    let mut worst = error(&mean(&ours), &mean(&theirs));
    println!("  {what}: mean {worst:.2e}");
    for t in (0..12).map(|i| i * (tokens - 1) / 11) {
        let e = error(&row(&ours, t), &row(&theirs, t));
        println!("  {what}: row {t} {e:.2e}");
        worst = worst.max(e);
    }
    worst
}

#[test]
#[ignore = "takes minutes on a software adapter"]
fn a_text_of_32768_tokens_fits_the_default_limits() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<usize>().ok());
    let ids = ids(number("M2_LONG_TOKENS").unwrap_or(32_768));
    let model = Model::new();
    let open = || gpu_within(Limits::WebGpu).unwrap().expect("a GPU or software adapter");
    let found = model.run(&open(), &ids);
    let expected: Vec<f64> = model.run(&Device::cpu(0), &ids).into_iter().map(f64::from).collect();
    let worst = compare("against the CPU's f32", &found, &expected, ids.len());
    assert!(worst <= 2e-4, "{worst:e}");
    if std::env::var_os("M2_LONG_F64").is_some() {
        let cut = &ids[..4096.min(ids.len())];
        let found = model.run(&open(), cut);
        let batch = Model::batch(cut);
        let exact = m2_cpu::reference::run::<f64>(&model.graph, &model.tensors, &batch).unwrap();
        let worst = compare("against f64", &found, &exact[0].data, cut.len());
        assert!(worst <= 2e-4, "{worst:e}");
    }
}
