//! `m2 bench forward`: what is timed is what is computed.

use m2::{Device, Model, OpenOptions, files::npy};
use m2_ir::{Batch, Text};

use super::{run, small_model, text};

#[test]
fn dumped_values_are_the_models_own_on_the_ids_of_the_help() {
    let (dir, model) = small_model("5");
    let dump = dir.path().join("hidden.npy");
    let bench = ["bench", "forward", "--json", "--rounds", "2", "--model", text(&model)];
    let sizes = ["--lengths", "7", "--batch", "2", "--dump", text(&dump)];
    let found = run(&[&bench[..], &sizes].concat()).done().json();
    let row = &found[0];
    assert_eq!((&row["length"], &row["batch"], &row["rounds"]), (&7.into(), &2.into(), &2.into()));
    for key in ["median_ms", "min_ms", "tokens_per_s", "gflops", "share_of_peak"] {
        assert!(row[key].as_f64().is_some_and(|v| v > 0.0), "{key}: {row}");
    }
    assert!(row["isa"].is_string() && row["device"] == "cpu" && row["dtype"] == "f32");

    let ids: Vec<u32> = (0..7).map(|i| 1000 + 7 * i).collect();
    let rows = vec![Text { ids: &ids, token_types: None, valid: 7 }; 1];
    let mut model = Model::open(&model, Device::cpu(1), OpenOptions::default()).unwrap();
    let batch = Batch::from_texts(&rows).unwrap();
    let hidden = pollster::block_on(model.run(&batch, &["encoder"])).unwrap().remove(0);
    let expected = hidden.to_f32()[..7 * 16].repeat(2);
    let values = npy::read(&dump).unwrap();
    assert_eq!(values.shape(), [14, 16]);
    let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
    assert!(values.to_f32().iter().zip(&expected).all(close));
}

#[test]
fn lengths_are_timed_one_by_one_and_bad_ones_refused() {
    let (dir, model) = small_model("5");
    let bench = |args: &[&str]| {
        run(&[&["bench", "forward", "--rounds", "1", "--model", text(&model)], args].concat())
    };
    for option in [["--weights", "f16"], ["--variant", "tiled"], ["--slices", "2"]] {
        bench(&option).refused(&[option[0], "is for GPUs", "--device gpu"]);
    }
    let both = bench(&["--lengths", "16,100", "--output", "pooled", "--json"]).done().json();
    let lengths: Vec<_> = both.as_array().unwrap().iter().map(|r| r["length"].clone()).collect();
    assert_eq!(lengths, [16, 100]);
    assert!(bench(&[]).done().out.contains("tokens/s"));
    bench(&["--lengths", "0"]).refused(&["1"]);
    bench(&["--lengths", "129"]).refused(&["128", "129"]);
    bench(&["--batch", "0"]).refused(&["--batch"]);
    bench(&["--dtype", "f64"]).refused(&["f64", "--dtype", "possible values: f32"]);
    let dump = dir.path().join("x.npy");
    bench(&["--lengths", "8,16", "--dump", text(&dump)]).refused(&["--dump"]);
}

#[test]
fn a_start_is_timed_in_parts() {
    let (_dir, model) = small_model("5");
    let found = run(&["bench", "start", "--json", "--model", text(&model), "a text"]).done().json();
    let ms = |name: &str| found[format!("{name}_ms")].as_f64().unwrap();
    let parts = ["open", "tokenise", "pack", "forward"].map(ms);
    assert!(parts.iter().all(|&part| part > 0.0), "{found}");
    assert!((ms("total") - parts.iter().sum::<f64>()).abs() < 1e-6 * ms("total"), "{found}");
    assert!(["tokenizer", "read", "check"].iter().all(|&name| ms(name) > 0.0), "{found}");
    run(&["bench", "start", "--model", "no/such/folder"]).refused(&["no/such/folder"]);
}
