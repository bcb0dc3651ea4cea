//! `m2 verify --vectors`: another engine's vectors beside this model's.

use std::fs;

use serde_json::Value;

use super::{run, small_model, text};

/// Texts of which some are longer than 64 tokens.
fn texts() -> String {
    let long = "the quick brown fox jumps over the lazy dog ".repeat(12);
    format!("A man is eating food.\n{long}\nSomeone has lunch.\n{long} and then sleeps\n")
}

#[test]
fn equal_vectors_pass_and_other_ways_to_make_them_are_suspected() {
    let (dir, model) = small_model("8");
    let input = dir.path().join("texts.txt");
    fs::write(&input, texts()).unwrap();
    for (how, file, suspicion) in [
        (&[][..], "same.npy", None),
        (&["--max-length", "64"], "cut.jsonl", Some("64")),
        (&["--pad", "none"], "unpadded.npy", Some("does not pad")),
    ] {
        let theirs = dir.path().join(file);
        let embed = ["embed", "--model", text(&model), "--input", text(&input), "--output"];
        run(&[&embed[..], &[text(&theirs)], how].concat()).done();
        let verify = ["verify", text(&model), "--json", "--texts", text(&input), "--vectors"];
        let found = run(&[&verify[..], &[text(&theirs)]].concat());
        let report = found.json();
        assert_eq!(report["rows"], 4);
        let cosines: Vec<f64> =
            report["cosines"].as_array().unwrap().iter().map(|c| c.as_f64().unwrap()).collect();
        assert_eq!(cosines.len(), 4);
        let worst = report["worst"].as_array().unwrap();
        let row = worst[0]["row"].as_u64().unwrap() as usize;
        assert!(cosines.iter().all(|c| cosines[row] <= *c), "{report}");
        assert_eq!(report["min_cosine"], cosines[row]);
        assert_eq!(report["passed"], suspicion.is_none(), "{report}");
        assert_eq!(found.code, i32::from(suspicion.is_some()), "{report}");
        match suspicion {
            None => assert!(report["suspected"].is_null(), "{report}"),
            Some(part) => {
                let said = report["suspected"].as_str().unwrap_or_default();
                assert!(said.contains(part), "{report}");
            }
        }
    }
}

#[test]
fn texts_may_stand_beside_their_vectors() {
    let (dir, model) = small_model("8");
    let (input, theirs) = (dir.path().join("texts.txt"), dir.path().join("theirs.jsonl"));
    fs::write(&input, texts()).unwrap();
    let embed = ["embed", "--model", text(&model), "--input", text(&input), "--max-length", "64"];
    let found = run(&embed).done().out;
    let verify = |lines: &str| {
        fs::write(&theirs, lines).unwrap();
        run(&["verify", text(&model), "--vectors", text(&theirs)])
    };
    verify(&found).refused(&["--texts"]);
    let with_texts: String = found
        .lines()
        .zip(texts().lines())
        .map(|(line, words)| {
            let mut record: Value = serde_json::from_str(line).unwrap();
            record["text"] = words.into();
            format!("{record}\n")
        })
        .collect();
    let report = verify(&with_texts);
    assert_eq!(report.code, 1, "{}", report.err);
    // The long rows, 1 and 3, differ; the worst stand first.
    let rows: Vec<&str> = report.out.lines().filter(|l| l.starts_with("row ")).collect();
    assert_eq!(rows.len(), 4, "{}", report.out);
    let first: Vec<bool> =
        rows.iter().map(|r| r.starts_with("row 1") || r.starts_with("row 3")).collect();
    assert_eq!(first, [true, true, false, false], "{}", report.out);
    for part in ["4 vectors", "suspected: the other engine cuts texts at 64 tokens", "FAILED"] {
        assert!(report.out.contains(part), "no {part:?} in: {}", report.out);
    }
}

#[test]
fn vectors_that_do_not_belong_to_the_texts_are_refused() {
    let (dir, model) = small_model("8");
    let (input, theirs) = (dir.path().join("texts.txt"), dir.path().join("theirs.jsonl"));
    fs::write(&input, "one\ntwo\n").unwrap();
    let verify =
        || run(&["verify", text(&model), "--texts", text(&input), "--vectors", text(&theirs)]);
    verify().refused(&["theirs.jsonl"]);
    fs::write(&theirs, "{\"embedding\": [1, 2]}\n").unwrap();
    verify().refused(&["1 vectors", "2 texts"]);
    fs::write(&theirs, "{\"embedding\": [1, 2]}\n".repeat(2)).unwrap();
    verify().refused(&["2 values", "16"]);
    fs::write(&theirs, "{\"embedding\": [1, \"x\"]}\n").unwrap();
    verify().refused(&["line 1"]);
}
