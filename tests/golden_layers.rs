//! One layer of true size: weights and input by counter, values at some positions and channels.

use std::path::Path;

use m2::verify::Limits;
use m2_ir::{
    Dim, Graph, HostTensor,
    passes::{dead_code, decompose_all},
    plan::Fusion,
};
use m2_nn::{ModelConfig, init, models};
use serde_json::Value;

use crate::support::{
    case::{Case, Fill, Ready, RowSpec, Value as Tensor, table},
    device,
    golden::{Tensors, err_abs, json, name, tensors, tree},
};

/// Weights by `weights.json`, tables as stored, under full names.
fn weights(folder: &Path, io: &Tensors) -> Tensors {
    let mut out = Tensors::new();
    let full = |name: &str| format!("bert.encoder.layer.0.{name}");
    for entry in json(&folder.join("weights.json")).as_array().unwrap() {
        let shape: Vec<usize> = sizes(&entry["shape"]);
        let len = shape.iter().product();
        let number = |key: &str| entry[key].as_f64().unwrap();
        let (seed, scale) = (number("tensor_seed") as u32, number("scale") as f32);
        let values = init::scaled(seed, len, scale, number("offset") as f32);
        let name = entry["name"].as_str().unwrap();
        out.insert(full(name), HostTensor::from_f32(&shape, &values));
    }
    for (name, tensor) in io.iter().filter(|(n, _)| n.starts_with("attention.")) {
        out.insert(full(name), tensor.clone());
    }
    out
}

fn sizes(v: &Value) -> Vec<usize> {
    v.as_array().unwrap().iter().map(|d| d.as_u64().unwrap() as usize).collect()
}

/// A golden value: our node, and how the golden tensor picks from it.
enum Pick {
    /// Some positions of (T, W).
    Rows(&'static str),
    /// Some channels of a kernel (L, H), whole.
    Channels(&'static str),
    /// Σ or Σ|·| over all elements of (T, W).
    Sum(&'static str, fn(f64) -> f64),
}

fn pick(tensor: &str) -> Option<Pick> {
    let (value, kind) = tensor.rsplit_once('.')?;
    let node = match value {
        "hidden" => "layer.0.hidden",
        "mixer_out" => "layer.0.mixer_out",
        "in_linear_out" => "layer.0.in_linear_out",
        "mlp_up_out" => "layer.0.mlp_up_out",
        "mlp_wo_out" => "layer.0.mlp_wo_out",
        "out_linear_in" => "layer.0.mixer",
        "longconv_in" => "layer.0.mixer/pre_gate",
        "longconv_out" => "layer.0.mixer/conv1",
        "longconv2_out" => "layer.0.mixer/conv2",
        "input" | "longconv2_in" => "hidden",
        "k" => "layer.0.k",
        "k_rev" => "layer.0.k_rev",
        "k2" => "layer.0.k2",
        "k2_rev" => "layer.0.k2_rev",
        _ => return None,
    };
    match kind {
        "rows" => Some(Pick::Rows(node)),
        "channels" => Some(Pick::Channels(node)),
        "sum" => Some(Pick::Sum(node, |v| v)),
        "abs_sum" => Some(Pick::Sum(node, f64::abs)),
        _ => None,
    }
}

struct Layer {
    ready: Ready,
    rows: Vec<RowSpec>,
    config: Value,
    io: Tensors,
    /// Golden tensor, what it picks, and the index of our output.
    wanted: Vec<(String, Pick)>,
    decomposed: Graph,
    fused: Graph,
}

fn layer(folder: &Path) -> Layer {
    let config = json(&folder.join("config.json"));
    let io = tensors(&folder.join("io.safetensors"));
    let model = ModelConfig::from_json(&config.to_string()).unwrap();
    let shape = sizes(&config["input"]["shape"]);
    let [b, s, h] = shape[..] else { panic!("input is (batch, tokens, width)") };
    let seed = config["input"]["tensor_seed"].as_u64().unwrap() as u32;
    let scale = config["input"]["scale"].as_f64().unwrap() as f32;
    let input = init::scaled(seed, b * s * h, scale, 0.0);
    let mut case = Case::new(0);
    let value = move |row: usize, t: usize, c: usize| f64::from(input[(row * s + t) * h + c]);
    case.input("hidden", Fill::Tokens { width: h, value: std::rc::Rc::new(value) });
    let mut ready = case.finish();
    ready.params = weights(folder, &io);
    ready.graph = models::layer_graph(&model, 0).unwrap();
    let left_out = |n: &str| n.starts_with("attention.") || n.starts_with("grad");
    let wanted: Vec<(String, Pick)> = io
        .keys()
        .filter(|n| !left_out(n))
        .map(|n| (n.clone(), pick(n).unwrap_or_else(|| panic!("{n} is no value of a layer"))))
        .collect();
    let names = |own: bool| -> Vec<&str> {
        let all = wanted.iter().map(|(_, p)| match p {
            Pick::Rows(n) | Pick::Channels(n) | Pick::Sum(n, _) => *n,
        });
        all.filter(|n| !own || *n == "layer.0.hidden").collect()
    };
    let with =
        |graph: &Graph, names: &[&str]| dead_code(&graph.with_outputs(names).unwrap()).unwrap();
    let decomposed = with(&decompose_all(&ready.graph).unwrap(), &names(false));
    let fused = with(&ready.graph, &names(true));
    let rows = (0..b).map(|key| RowSpec { key, length: s, valid: s }).collect();
    Layer { ready, rows, config, io, wanted, decomposed, fused }
}

impl Layer {
    /// Compares our values with all golden tensors that pick from them.
    fn compare(&self, folder: &Path, how: &str, values: &[(String, Tensor)]) -> usize {
        let manifest = tree().manifest();
        let file = format!("{}/io.safetensors", name(folder));
        let mut compared = 0;
        for (tensor, pick) in &self.wanted {
            let node = match pick {
                Pick::Rows(n) | Pick::Channels(n) | Pick::Sum(n, _) => *n,
            };
            let Some((_, ours)) = values.iter().find(|(n, _)| n == node) else { continue };
            let golden = self.io[tensor].to_f64();
            let (found, terms) = self.picked(pick, ours);
            assert_eq!(found.len(), golden.len(), "{tensor}");
            let max = golden.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            let kernel = matches!(pick, Pick::Channels(_));
            let limits = Limits::f32(err_abs(&manifest, &file, tensor), kernel);
            // A sum of n elements is off by at most n times what one may be; elements are below 8.
            let limit = if terms > 1 { limits.of(8.0) * terms as f64 } else { limits.of(max) };
            let error = crate::support::case::difference(&found, &golden);
            println!("{file} {tensor:<24} {how:<10} error {error:.2e}  limit {limit:.2e}");
            assert!(error <= limit, "{file} {tensor} {how}: {error:e} > {limit:e}");
            compared += 1;
        }
        compared
    }

    /// The elements that the golden tensor holds, and how many terms each sums.
    fn picked(&self, pick: &Pick, ours: &Tensor) -> (Vec<f64>, usize) {
        let w = *ours.shape.last().unwrap();
        match pick {
            Pick::Rows(_) => {
                let positions = sizes(&self.config["rows"]);
                let rows = table(&self.rows);
                let tokens = rows
                    .rows()
                    .iter()
                    .flat_map(|r| positions.iter().map(move |&p| r.offset as usize + p));
                let values = tokens.flat_map(|t| ours.data[t * w..][..w].iter().copied());
                (values.collect(), 1)
            }
            Pick::Channels(_) => {
                let length = self.rows[0].length;
                let channels = sizes(&self.config["channels"]);
                let at = |c: usize| (0..length).map(move |t| t * w + c);
                (channels.into_iter().flat_map(at).map(|i| ours.data[i]).collect(), 1)
            }
            Pick::Sum(_, f) => {
                let all = ours.meaningful(&self.rows);
                (vec![all.iter().map(|v| f(*v)).sum()], all.len())
            }
        }
    }
}

fn named(graph: &Graph, values: Vec<Tensor>) -> Vec<(String, Tensor)> {
    graph.outputs().iter().map(|(n, _)| n.clone()).zip(values).collect()
}

#[test]
fn golden_layers_in_f32() {
    let device = device::current();
    for folder in tree().folders(&["layer"]) {
        let mut layer = layer(&folder);
        let t = table(&layer.rows);
        let class = m2_ir::Sizes {
            tokens: t.tokens(),
            rows: layer.rows.len(),
            asked: 0,
            span: t.longest(),
        };
        let class = class.class();
        let graphs = [layer.fused.clone(), layer.decomposed.clone()];
        for (graph, fusion) in graphs.into_iter().zip([Fusion::Full, Fusion::None]) {
            layer.ready.graph = graph.clone();
            let mut program = layer.ready.load(&device, class, fusion);
            let out = layer.ready.run(&device, &mut program, class, &layer.rows, &[]);
            let compared = layer.compare(&folder, &format!("{fusion:?}"), &named(&graph, out));
            let all = layer.wanted.len();
            assert!(compared > 0 && (fusion == Fusion::Full || compared == all));
        }
    }
}

#[test]
fn golden_layers_on_the_gpu() {
    device::on_the_gpu(device::gpu(), &[golden_layers_in_f32]);
}

/// The same with the kernels that GPUs get.
#[test]
fn golden_layers_on_the_gpu_through_workgroup_memory() {
    device::on_the_gpu(device::as_gpus_are(), &[golden_layers_in_f32]);
}

#[test]
fn golden_layers_in_f64() {
    for folder in tree().folders(&["layer"]) {
        let layer = layer(&folder);
        let out = layer.ready.oracle_of(&layer.decomposed, &layer.rows, &[]);
        let kernels = layer
            .decomposed
            .outputs()
            .iter()
            .filter(|(_, id)| layer.decomposed.node(*id).ty.shape.first() == Some(&Dim::Span));
        assert!(kernels.count() > 0);
        let compared = layer.compare(&folder, "f64", &named(&layer.decomposed, out));
        assert_eq!(compared, layer.wanted.len());
    }
}
