//! `m2 fill` and `m2 classify`: the golden logits, from ids.

use std::path::PathBuf;

use serde_json::Value;

use super::{run, small_model, text};
use crate::support::golden::{Tensors, tensors, tree};

fn golden() -> (PathBuf, Tensors) {
    let folder = tree().folders(&["m2_h64_l2_s32"]).remove(0);
    let io = tensors(&folder.join("io.safetensors"));
    (folder, io)
}

/// The golden rows as the option takes them.
fn rows(io: &Tensors) -> Vec<String> {
    let ids: Vec<String> = io["input_ids"].to_f64().iter().map(f64::to_string).collect();
    ids.chunks(io["input_ids"].shape()[1]).map(|row| row.join(",")).collect()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The limit of README.md of the golden tree for models, with its rounding term left out.
fn close(found: &Value, expected: f64, most: f64) -> bool {
    found.as_f64().is_some_and(|v| (v - expected).abs() <= 2e-5 * most)
}

#[test]
fn masks_get_the_best_tokens_of_the_golden_logits() {
    let (folder, io) = golden();
    let rows = rows(&io);
    let args = ["fill", "--json", "--model", text(&folder), "--ids", &rows[0], "--ids", &rows[1]];
    let found = lines(&run(&args).done().out);
    let logits = io["mlm_logits"].to_f64();
    let most = logits.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let (length, vocab) = (io["mlm_logits"].shape()[1], io["mlm_logits"].shape()[2]);
    assert_eq!(found.len(), 2);
    for (row, answers) in found.iter().enumerate() {
        assert_eq!(answers["row"], row);
        let answers = answers["answers"].as_array().unwrap();
        assert_eq!(answers.len(), length);
        for (position, answer) in answers.iter().enumerate() {
            assert_eq!(answer["position"], position);
            let golden = &logits[(row * length + position) * vocab..][..vocab];
            let mut order: Vec<usize> = (0..vocab).collect();
            order.sort_by(|&a, &b| golden[b].total_cmp(&golden[a]));
            let sum: f64 = golden.iter().map(|v| v.exp()).sum();
            let candidates = answer["candidates"].as_array().unwrap();
            assert_eq!(candidates.len(), 5);
            for (candidate, &best) in candidates.iter().zip(&order) {
                let id = candidate["id"].as_u64().unwrap() as usize;
                // Of two that rounding cannot tell apart either may come first.
                assert!(close(&candidate["logit"], golden[id], most), "{row} {position}");
                assert!(close(&candidate["logit"], golden[best], 2.0 * most), "{row} {position}");
                assert!(close(&candidate["probability"], golden[id].exp() / sum, 10.0));
            }
        }
    }
}

#[test]
fn classes_are_the_golden_logits_under_both_poolings() {
    let (folder, io) = golden();
    let rows = rows(&io);
    for (pooling, tensor) in [(None, "cls"), (Some("cls"), "cls"), (Some("mean"), "mean")] {
        let mut args = vec!["classify", "--json", "--model", text(&folder)];
        rows.iter().for_each(|row| args.extend(["--ids", row]));
        pooling.iter().for_each(|pooling| args.extend(["--pooling", pooling]));
        let found = lines(&run(&args).done().out);
        let golden = &io[&format!("seqcls_logits_{tensor}")];
        let expected = golden.to_f64();
        let most = expected.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        let logits: Vec<&Value> =
            found.iter().flat_map(|row| row["logits"].as_array().unwrap()).collect();
        assert_eq!(logits.len(), expected.len());
        for (found, &expected) in logits.iter().zip(&expected) {
            assert!(close(found, expected, most), "{tensor}: {found} {expected}");
        }
        for row in &found {
            let values = |key: &str| -> Vec<f64> {
                row[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
            };
            let logits = values("logits");
            let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
            assert_eq!(row["label"], row["labels"][best]);
            assert!((values("probabilities").iter().sum::<f64>() - 1.0).abs() < 1e-5);
        }
    }
}

#[test]
fn texts_are_filled_where_a_mask_is() {
    let (_dir, model) = small_model("4");
    let fill = |words: &str| run(&["fill", "--json", "--top", "3", "-m", text(&model), words]);
    let found = fill("a [MASK] and a [MASK]").done().json();
    let positions: Vec<_> =
        found["answers"].as_array().unwrap().iter().map(|a| a["position"].clone()).collect();
    assert_eq!(positions, [2, 5]);
    assert_eq!(found["answers"][0]["candidates"].as_array().unwrap().len(), 3);
    assert!(found["answers"][0]["candidates"][0]["token"].is_string());
    fill("no word is missing").refused(&["[MASK]"]);
}

#[test]
fn what_a_model_cannot_do_is_refused() {
    let (folder, _) = golden();
    let (_dir, model) = small_model("4");
    run(&["fill", "-m", text(&folder), "--ids", "2,128"]).refused(&["128"]);
    run(&["fill", "-m", text(&folder), "--ids", "2,x"]).refused(&["x"]);
    let long = vec!["1"; 33].join(",");
    run(&["classify", "-m", text(&folder), "--ids", &long]).refused(&["33", "32"]);
    run(&["classify", "-m", text(&folder), "words"]).refused(&["tokenizer"]);
    run(&["classify", "-m", text(&model), "words"]).refused(&["classifier"]);
    run(&["fill", "-m", "/no/such/model", "--offline", "a [MASK]"]).refused(&["/no/such/model"]);
}
