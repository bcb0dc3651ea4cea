//! `m2 verify --vectors`: another engine's vectors beside this model's.

use std::fs;

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
