//! An index on a small model with seeded weights.

use std::{fs, path::Path};

use m2_nn::{Heads, ModelConfig};

use super::*;
use crate::{Device, EncoderOptions, Model, Settings, model::Parts};

fn encoder(seed: u32) -> Encoder {
    let text = r#"{"model_type": "bert", "vocab_size": 30522, "hidden_size": 16,
        "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "max_position_embeddings": 64}"#;
    let config = ModelConfig::from_json(text).unwrap();
    let heads = Heads { mlm: false, pooler: false, classifier: false };
    let tensors = m2_nn::init::init(&config, heads, seed);
    let checkpoint = m2_nn::Checkpoint::new(tensors).unwrap();
    let weights = checkpoint.load(&config, m2_nn::LoadOptions::default()).unwrap();
    let parts = Parts {
        name: "small".into(),
        weights,
        tokenizer: Some(m2_data::Tokenizer::bert_base_uncased()),
        settings: Settings::default(),
        reload: None,
    };
    let model = Model::new(parts, Device::cpu(1)).unwrap();
    Encoder::new(model, EncoderOptions::default()).unwrap()
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn update(index: &mut Index, docs: &Path, encoder: &mut Encoder) -> Update {
    index.update(docs, encoder, &mut |_, _| true).unwrap()
}

#[test]
fn only_changed_documents_are_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let docs = dir.path().join("docs");
    write(&docs, "a.txt", "Passports are renewed at the town hall.");
    write(&docs, "sub/b.md", &"The office opens early.\n\n".repeat(60));
    write(&docs, "c.html", "<p>Holidays &amp; weekends</p><script>secret()</script>");
    write(&docs, ".hidden.txt", "hidden");
    write(&docs, "ignored.txt", "ignored");
    write(&docs, ".gitignore", "ignored.txt\n");
    write(&docs, "picture.png", "png");
    fs::write(docs.join("latin.txt"), b"caf\xe9").unwrap();
    let path = dir.path().join("index.sqlite");
    let mut encoder = encoder(1);
    let mut index = Index::open(&path, &encoder, false).unwrap();

    let first = update(&mut index, &docs, &mut encoder);
    assert_eq!((first.added, first.removed, first.kept), (3, 0, 0));
    assert!(first.skipped.len() == 1 && first.skipped[0].why.contains("UTF-8"), "{first:?}");
    assert!(index.counts().unwrap().1 > 6);

    fs::remove_file(docs.join("c.html")).unwrap();
    write(&docs, "a.txt", "Passports are renewed at the library.");
    let second = update(&mut index, &docs, &mut encoder);
    assert_eq!((second.added, second.removed, second.kept), (1, 1, 1));

    drop(index);
    let index = Index::open(&path, &encoder, false).unwrap();
    let hits = index.search(&mut encoder, "library", Mode::Keyword, 5).unwrap();
    assert_eq!(hits.len(), 1);
    assert_eq!(hits[0].path, "a.txt");
    assert!(index.search(&mut encoder, "\"town\" OR hall*", Mode::Keyword, 5).unwrap().is_empty());
    for mode in [Mode::Vector, Mode::Hybrid] {
        let hits = index.search(&mut encoder, "Passports are renewed at the library.", mode, 5);
        let hits = hits.unwrap();
        assert_eq!((hits.len(), hits[0].path.as_str()), (2, "a.txt"), "{mode:?}");
        assert!((hits[0].similarity.unwrap() - 1.0).abs() < 1e-5);
    }
}

#[test]
fn an_index_of_another_model_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.sqlite");
    drop(Index::open(&path, &encoder(1), false).unwrap());
    let e = Index::open(&path, &encoder(2), false).unwrap_err().to_string();
    assert!(e.contains("another model") && e.contains("--rebuild"), "{e}");
    Index::open(&path, &encoder(2), true).unwrap();
    fs::write(&path, "no database, but long enough to look like one".repeat(20)).unwrap();
    let e = Index::open(&path, &encoder(2), false).unwrap_err().to_string();
    assert!(e.contains("no index"), "{e}");
}
