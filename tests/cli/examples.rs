//! The programs of `examples/`, built and run.

use std::process::Command;

use super::{Run, run_of, small_model, text};
use crate::support::house::example;

fn program(name: &str, args: &[&str]) -> Run {
    run_of(Command::new(example(name)).args(args))
}

#[test]
fn texts_are_embedded() {
    let (_dir, model) = small_model("7");
    let out = program("embed", &[text(&model), "A man is eating food."]).done().out;
    let vector: Vec<f32> = serde_json::from_str(&out).unwrap();
    assert_eq!(vector.len(), 16);
    assert!(vector.iter().any(|v| *v != 0.0));
    assert_eq!(program("embed", &["/no/such/model"]).code, 1);
}

#[test]
fn sentences_are_sorted() {
    let (_dir, model) = small_model("7");
    let sentences = ["the same words", "something else entirely", "the same words"];
    let args = [&[text(&model)], &sentences[..]].concat();
    let out = program("similarity", &args).done().out;
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "1.000  the same words"), "{out}");
    program("similarity", &[text(&model)]).refused(&["usage"]);
}

#[test]
fn masks_are_filled() {
    let (_dir, model) = small_model("7");
    let out = program("fill_mask", &[text(&model), "a [MASK] of [MASK]"]).done().out;
    assert!(out.starts_with("token 2:") && out.contains("token 4:"), "{out}");
    assert_eq!(out.lines().count(), 12);
    assert_eq!(program("fill_mask", &[text(&model), "nothing"]).code, 1);
}
