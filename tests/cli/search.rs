//! `m2 search`: words found, an index that follows its files, and indexes of other models.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{Run, run, small_model, text};

/// Five documents and a model beside them.
fn documents() -> (TempDir, PathBuf, PathBuf) {
    let (dir, model) = small_model("9");
    let docs = dir.path().join("docs");
    fs::create_dir_all(docs.join("deep")).unwrap();
    for (name, words) in [
        ("animals.txt", "The zebra and the giraffe live on the savanna."),
        ("food.md", "# Food\n\nBread is baked from flour, water and salt."),
        ("travel.html", "<html><body><p>A passport is renewed at an embassy.</p></body></html>"),
        ("deep/code.rs", "fn retry_limit() -> usize { 7 }\n"),
        ("notes.rst", "Notes\n=====\n\nThe meeting was moved to Thursday.\n"),
    ] {
        fs::write(docs.join(name), words).unwrap();
    }
    (dir, model, docs)
}

fn search(model: &Path, docs: &Path, query: &str, more: &[&str]) -> Run {
    let index = docs.with_file_name("index.sqlite");
    let args = ["search", "--json", "-m", text(model), "--docs", text(docs)];
    run(&[&args[..], &["--index", text(&index), query], more].concat())
}

const WORDS: [&str; 2] = ["--mode", "keyword"];

/// The path of the best document by words.
fn best(model: &Path, docs: &Path, query: &str) -> String {
    let found = search(model, docs, query, &WORDS).done().json();
    found["hits"][0]["path"].as_str().unwrap().to_owned()
}

#[test]
fn words_find_their_documents_and_meaning_ranks_them_all() {
    let (_dir, model, docs) = documents();
    for (word, path) in [
        ("zebra", "animals.txt"),
        ("flour", "food.md"),
        ("passport", "travel.html"),
        ("retry_limit", "deep/code.rs"),
        ("Thursday", "notes.rst"),
    ] {
        assert_eq!(best(&model, &docs, word), path);
    }
    let found = search(&model, &docs, "zebra", &["--mode", "vector"]).done().json();
    assert_eq!((&found["documents"], found["hits"].as_array().unwrap().len()), (&5.into(), 5));
    let order: Vec<f64> = found["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| hit["similarity"].as_f64().unwrap())
        .collect();
    assert!(order.is_sorted_by(|a, b| a >= b), "{order:?}");
    let two = search(&model, &docs, "zebra", &["--top", "2"]).done().json();
    assert_eq!(two["hits"].as_array().unwrap().len(), 2);
}

#[test]
fn nothing_found_is_the_answer_no() {
    let (_dir, model, docs) = documents();
    let found = search(&model, &docs, "xylophone", &WORDS);
    assert_eq!(found.code, 1, "{}", found.err);
    assert!(found.json()["hits"].as_array().unwrap().is_empty());
}

#[test]
fn the_index_follows_its_files() {
    let (_dir, model, docs) = documents();
    assert_eq!(best(&model, &docs, "zebra"), "animals.txt");
    fs::write(docs.join("animals.txt"), "The walrus lives in the sea.").unwrap();
    fs::write(docs.join("more.txt"), "A zebra, too.").unwrap();
    fs::remove_file(docs.join("food.md")).unwrap();
    assert_eq!(best(&model, &docs, "walrus"), "animals.txt");
    assert_eq!(best(&model, &docs, "zebra"), "more.txt");
    assert_eq!(search(&model, &docs, "flour", &WORDS).code, 1);
}

#[test]
fn an_index_of_another_model_is_refused_until_rebuilt() {
    let (_dir, model, docs) = documents();
    let (_other, other) = small_model("10");
    search(&model, &docs, "zebra", &WORDS).done();
    search(&other, &docs, "zebra", &WORDS).refused(&["index.sqlite", "another model", "--rebuild"]);
    search(&model, &docs, "zebra", &["--pad", "none"]).refused(&["--rebuild"]);
    search(&other, &docs, "zebra", &["--rebuild"]).done();
    search(&other, &docs, "zebra", &WORDS).done();
    fs::write(docs.with_file_name("index.sqlite"), "no index at all, but some words").unwrap();
    search(&other, &docs, "zebra", &WORDS).refused(&["index.sqlite", "--rebuild"]);
    search(&other, &docs, "zebra", &["--rebuild"]).done();
    search(&other, &docs.join("none"), "zebra", &WORDS).refused(&["none"]);
}
