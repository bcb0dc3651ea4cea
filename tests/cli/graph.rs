//! `m2 graph`: what models cost, and drawings.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::{run, text};
use crate::support::device;

fn counts(args: &[&str]) -> Value {
    run(&[&["graph", "--counts", "--json"], args].concat()).done().json()
}

#[test]
fn a_layer_on_a_gpu_costs_what_it_may() {
    let found =
        counts(&["--model", "m2-bert-80m", "--batch", "8", "--length", "512", "--device", "gpu"]);
    let number = |key: &str| found[key].as_f64().unwrap_or_else(|| panic!("{key}"));
    assert!((1.0..=7.0).contains(&number("dispatches_per_layer")));
    assert!((4.0..=24.0).contains(&number("activation_values_per_token_layer_over_h")));
    assert!(number("peak_bytes") > 320e6 && number("peak_bytes") < 1e9);
    let sum = |key: &str| -> f64 {
        found["ops"].as_array().unwrap().iter().map(|op| op[key].as_f64().unwrap()).sum()
    };
    assert_eq!((sum("flops"), sum("bytes")), (number("flops"), number("bytes")));
    // Twice the parameters of the products for each of 4,096 tokens, and little else.
    let products = 12.0 * 4096.0 * 2.0 * (4.0 * 768.0 * 768.0 + 1_769_472.0);
    let share = number("flops") / products;
    assert!((1.0..1.1).contains(&share), "{share}");
}

#[test]
fn norms_in_products_save_a_dispatch_of_each_layer_on_the_gpu() {
    if device::as_gpus_are().is_none() {
        return;
    }
    let layer = |kernels: &[&str]| {
        let found =
            counts(&[&["--batch", "8", "--length", "512", "--device", "gpu"], kernels].concat());
        let number = |key: &str| found[key].as_f64().unwrap();
        (number("dispatches_per_layer"), number("activation_values_per_token_layer_over_h"))
    };
    assert_eq!(layer(&["--variant", "tiled"]), (6.0, 24.0));
    assert_eq!(layer(&["--variant", "tiled", "--norms-in-products"]), (5.0, 23.0));
    run(&["graph", "--device", "gpu", "--variant", "direct", "--norms-in-products"])
        .refused(&["--variant tiled"]);
}

#[test]
fn a_folder_is_planned_without_its_weights() {
    let dir = TempDir::new().unwrap();
    let config = r#"{"model_type": "bert", "hidden_size": 64, "num_hidden_layers": 3,
        "num_attention_heads": 4, "intermediate_size": 128, "max_position_embeddings": 32}"#;
    fs::write(dir.path().join("config.json"), config).unwrap();
    let model = ["--model", text(dir.path()), "--length"];
    let short = counts(&[&model[..], &["8"]].concat());
    let long = counts(&[&model[..], &["32"]].concat());
    assert!(long["flops"].as_u64() > short["flops"].as_u64());
    run(&[&["graph"], &model[..], &["33"]].concat()).refused(&["32", "33"]);
    run(&["graph", "--model", "no-such-model"]).refused(&["no-such-model", "m2-bert-80m"]);
    run(&["graph", "--length", "0"]).refused(&["0 tokens"]);
    run(&["graph", "--json"]).refused(&["--counts", "--predict"]);
}

#[test]
fn dumps_and_drawings_are_stable() {
    let dir = TempDir::new().unwrap();
    let (one, two) = (dir.path().join("1.svg"), dir.path().join("2.svg"));
    for path in [&one, &two] {
        run(&["graph", "--model", "m2-bert-80m", "--svg", text(path)]).done();
    }
    let drawing = fs::read_to_string(&one).unwrap();
    assert_eq!(drawing, fs::read_to_string(&two).unwrap());
    assert!(drawing.starts_with("<svg ") && drawing.len() < 100_000, "{}", drawing.len());
    let dump = |pass: &str| run(&["graph", "--model", "m2-bert-80m", "--dump-after", pass]);
    let lines = |pass: &str| dump(pass).done().out.lines().count();
    assert!(lines("dead_code") < lines("split_mixer"));
    dump("nothing").refused(&["nothing", "fuse_epilogue"]);
}
