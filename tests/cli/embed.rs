//! `m2 embed`: order, formats, cuts, resuming, and input that is no text.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use m2::files::npy;
use m2_ir::{DType, f16_to_f32, f32_to_f16};
use serde_json::Value;

use super::{Run, run, small_model, text};
use crate::support::{golden::tensors, house::m2};

/// Words of a text that is longer than the 128 tokens of the small model.
fn long() -> String {
    "brown fox ".repeat(100)
}

fn texts() -> Vec<String> {
    let mut all: Vec<String> = (0..40).map(|i| "a man is eating food ".repeat(1 + i % 7)).collect();
    all[3] = String::new();
    all[11] = long();
    all[12] = "Größe, 大小, 🦊".into();
    all
}

fn embed(model: &Path, input: &Path, output: &Path, more: &[&str]) -> Run {
    let args = ["embed", "-m", text(model), "-i", text(input), "-o", text(output)];
    run(&[&args[..], more].concat())
}

/// Values of the rows of JSON Lines.
fn rows(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn values(row: &Value) -> Vec<f32> {
    row["embedding"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

#[test]
fn all_formats_hold_the_same_vectors_in_the_order_of_the_texts() {
    let (dir, model) = small_model("5");
    let path = |name: &str| dir.path().join(name);
    let input = path("texts.txt");
    fs::write(&input, texts().join("\n")).unwrap();
    let said = embed(&model, &input, &path("v.jsonl"), &[]).done().err;
    assert!(
        said.contains("1 text(s)") && said.contains("128") && said.contains("line 12"),
        "{said}"
    );
    for file in ["v.npy", "v.safetensors"] {
        embed(&model, &input, &path(file), &[]).done();
    }
    for file in ["half.jsonl", "half.npy", "half.safetensors"] {
        embed(&model, &input, &path(file), &["--dtype", "f16"]).done();
    }
    let json = rows(&fs::read_to_string(path("v.jsonl")).unwrap());
    assert_eq!(json.len(), 40);
    let from_json: Vec<f32> = json.iter().flat_map(values).collect();
    let from_npy = npy::read(&path("v.npy")).unwrap();
    let from_safetensors = tensors(&path("v.safetensors")).remove("embeddings").unwrap();
    for other in [&from_npy, &from_safetensors] {
        assert_eq!(other.shape(), [40, 16]);
        assert_eq!(*other.to_f32(), from_json[..]);
    }
    let rounded: Vec<f32> = from_json.iter().map(|&v| f16_to_f32(f32_to_f16(v))).collect();
    let half = npy::read(&path("half.npy")).unwrap();
    let half_safetensors = tensors(&path("half.safetensors")).remove("embeddings").unwrap();
    for half in [half, half_safetensors] {
        assert_eq!((half.dtype(), half.shape()), (DType::F16, &[40, 16][..]));
        assert_eq!(*half.to_f32(), rounded[..]);
    }
    let half = rows(&fs::read_to_string(path("half.jsonl")).unwrap());
    assert_eq!(half.iter().flat_map(values).collect::<Vec<f32>>(), rounded);
    for (i, (row, words)) in json.iter().zip(texts()).enumerate() {
        assert_eq!(row["id"], i);
        let cut = if i == 11 { 202 - 128 } else { 0 };
        assert_eq!(row["cut"], cut, "{i}");
        let alone = run(&["embed", "-m", text(&model), "-i", text(&one(dir.path(), &words))]);
        // Batches differ, so the last bits may.
        let alone = values(&rows(&alone.done().out)[0]);
        let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
        assert!(alone.iter().zip(&values(row)).all(close), "{i}");
        if i == 13 {
            break;
        }
    }
    assert_eq!(json[3]["tokens"], 2);
}

/// A file of one text.
fn one(dir: &Path, words: &str) -> std::path::PathBuf {
    let path = dir.join("one.txt");
    fs::write(&path, format!("{words}\n")).unwrap();
    path
}

#[test]
fn json_lines_keep_their_ids() {
    let (dir, model) = small_model("5");
    let input = dir.path().join("in.jsonl");
    fs::write(&input, "{\"text\": \"a\", \"id\": \"first\"}\n{\"id\": 7, \"text\": \"b\\nc\"}\n")
        .unwrap();
    let found = rows(&run(&["embed", "-m", text(&model), "-i", text(&input)]).done().out);
    assert_eq!((&found[0]["id"], &found[1]["id"]), (&"first".into(), &7.into()));
    fs::write(&input, "{\"text\": \"a\"}\n{\"txet\": \"b\"}\n").unwrap();
    run(&["embed", "-m", text(&model), "-i", text(&input)]).refused(&["in.jsonl", "line 2"]);
}

#[test]
fn a_run_that_was_killed_goes_on_to_the_same_file() {
    let (dir, model) = small_model("5");
    let path = |name: String| dir.path().join(name);
    let input = path("texts.txt".into());
    fs::write(&input, texts().join("\n")).unwrap();
    for format in ["jsonl", "npy", "safetensors"] {
        let (whole, broken) = (path(format!("whole.{format}")), path(format!("broken.{format}")));
        embed(&model, &input, &whole, &[]).done();
        // A refusal in the middle leaves what a kill leaves: rows, and a journal of the safe ones.
        embed(&model, &input, &broken, &["--strict"]).refused(&["line 12"]);
        let part = path(format!("broken.{format}.part"));
        assert!(!broken.exists() && part.exists(), "{format}");
        let mut bytes = fs::read(&part).unwrap();
        bytes.extend_from_slice(b"{\"id\":11,\"embed");
        fs::write(&part, &bytes).unwrap();
        embed(&model, &input, &broken, &["--resume"]).done();
        assert_eq!(fs::read(&broken).unwrap(), fs::read(&whole).unwrap(), "{format}");
        assert!(!part.exists() && !path(format!("broken.{format}.part.journal")).exists());
    }
    // Rows that the journal promises but the file lost.
    let broken = path("lost.jsonl".into());
    embed(&model, &input, &broken, &["--strict"]).refused(&["rows are kept"]);
    let part = path("lost.jsonl.part".into());
    let bytes = fs::read(&part).unwrap();
    fs::write(&part, &bytes[..bytes.len() / 2]).unwrap();
    embed(&model, &input, &broken, &["--resume"]).done();
    assert_eq!(fs::read(&broken).unwrap(), fs::read(path("whole.jsonl".into())).unwrap());
}

#[test]
fn rows_of_another_model_are_not_gone_on_with() {
    let (dir, model) = small_model("5");
    let (_other, other) = small_model("6");
    let (input, output) = (dir.path().join("texts.txt"), dir.path().join("v.npy"));
    fs::write(&input, format!("one\n{}\n", long())).unwrap();
    embed(&other, &input, &output, &["--strict"]).refused(&["rows are kept"]);
    let whole = dir.path().join("whole.npy");
    embed(&model, &input, &whole, &[]).done();
    let found = embed(&model, &input, &output, &["--resume"]);
    // Begun anew or refused; mixed never.
    if found.code == 0 {
        assert_eq!(fs::read(&output).unwrap(), fs::read(&whole).unwrap());
    } else {
        found.refused(&["v.npy"]);
    }
}

#[test]
fn bad_input_is_refused_with_its_line() {
    let (dir, model) = small_model("5");
    let input = dir.path().join("texts.txt");
    let to_stdout =
        |more: &[&str]| run(&[&["embed", "-m", text(&model), "-i", text(&input)], more].concat());
    fs::write(&input, b"one\n\ntwo \xff\n").unwrap();
    let found = to_stdout(&[]);
    assert_eq!(rows(&found.out).len(), 2);
    found.refused(&["texts.txt", "line 3", "UTF-8"]);
    fs::write(&input, format!("one\ntwo\n{}\n", long())).unwrap();
    let found = to_stdout(&["--strict"]);
    assert_eq!(rows(&found.out).len(), 2);
    found.refused(&["line 3", "202 tokens", "128"]);
    to_stdout(&["--max-length", "129"]).refused(&["129", "128"]);
    to_stdout(&["--max-length", "2"]).refused(&["2 tokens"]);
    embed(&model, &input, &dir.path().join("v.bin"), &[]).refused(&["v.bin", ".npy"]);
    embed(&model, &dir.path().join("no.txt"), Path::new("-"), &[]).refused(&["no.txt"]);
    fs::write(&input, "").unwrap();
    assert_eq!(to_stdout(&[]).done().out, "");
}

#[test]
fn a_reader_that_goes_is_no_error() {
    let (_dir, model) = small_model("5");
    let mut child = Command::new(m2())
        .args(["embed", "--pad", "none", "-m", text(&model)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    // The command may be gone before it has read everything.
    let _ = stdin.write_all("a text\n".repeat(2000).as_bytes());
    drop(stdin);
    let found = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&found.stderr);
    assert_eq!(found.status.code(), Some(0), "{said}");
    assert!(!said.contains("panicked") && !said.contains("pipe"), "{said}");
}
