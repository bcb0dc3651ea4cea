//! Ids known from the reference, both ways of loading, long and hostile texts.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::*;

fn bert() -> Tokenizer {
    Tokenizer::bert_base_uncased()
}

/// A `tokenizer.json` as published beside BERT models, with a truncation and padding to ignore.
fn bert_json(vocab: &str) -> String {
    let special = |token: &str| vocab.lines().position(|l| l == token);
    let added: Vec<_> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        .iter()
        .filter_map(|t| Some((special(t)?, *t)))
        .map(|(id, content)| {
            serde_json::json!({"id": id, "content": content, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true})
        })
        .collect();
    let pieces: serde_json::Map<_, _> =
        vocab.lines().enumerate().map(|(i, l)| (l.to_owned(), i.into())).collect();
    let one = |id: &str| serde_json::json!({"id": id, "ids": [special(id)], "tokens": [id]});
    serde_json::json!({
        "version": "1.0",
        "truncation": {"max_length": 8, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": added,
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 1}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
            "special_tokens": {"[CLS]": one("[CLS]"), "[SEP]": one("[SEP]")}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": pieces},
    })
    .to_string()
}

const TEXTS: [&str; 8] = [
    "",
    "Hello, World!",
    "The capital of France is [MASK].",
    "unaffable naïve café ÀÉÎ",
    "漢字 and 한글 and emoji 🙂 [SEP]",
    "  many\tspaces\n\nand\u{0}controls\u{200b} ",
    "supercalifragilisticexpialidocious-ness isn't a_word 3.14159",
    "İstanbul ΣΊΣΥΦΟΣ ﬁne ½",
];

#[test]
fn the_vocabulary_is_the_published_one() {
    let hash = Sha256::digest(BERT_BASE_UNCASED_VOCAB.as_bytes());
    let hex: String = hash.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3");
    let tokenizer = bert();
    let expected = SpecialIds {
        pad: Some(0),
        unk: Some(100),
        cls: Some(101),
        sep: Some(102),
        mask: Some(103),
    };
    assert_eq!(tokenizer.special(), expected);
    assert_eq!(tokenizer.vocab_size(), 30_522);
    assert_eq!((tokenizer.tail(), tokenizer.frame_len()), (1, 2));
}

#[test]
fn known_texts_have_their_known_ids() {
    let tokenizer = bert();
    let ids = |text| tokenizer.ids(text, true).unwrap();
    assert_eq!(ids("hello world"), [101, 7592, 2088, 102]);
    assert_eq!(ids("Hello, World!"), [101, 7592, 1010, 2088, 999, 102]);
    assert_eq!(
        ids("The capital of France is [MASK]."),
        [101, 1996, 3007, 1997, 2605, 2003, 103, 1012, 102]
    );
    assert_eq!(ids("unaffable"), [101, 14477, 20961, 3468, 102]);
    assert_eq!(ids(""), [101, 102]);
    assert_eq!(ids(&"x".repeat(101)), [101, 100, 102]);
    let pair = tokenizer.encode_pair("hello", "world").unwrap();
    assert_eq!(pair.ids, [101, 7592, 102, 2088, 102]);
    assert_eq!(pair.type_ids, [0, 0, 0, 1, 1]);
    assert_eq!(pair.offsets[3], 0..5);
    assert_eq!(tokenizer.decode(&[101, 7592, 1010, 2088, 102], true).unwrap(), "hello, world");
}

#[test]
fn both_ways_of_loading_agree() {
    let json = bert_json(BERT_BASE_UNCASED_VOCAB);
    let mut general: tokenizers::Tokenizer = json.parse().unwrap();
    general.with_truncation(None).unwrap();
    general.with_padding(None);
    let quick = Tokenizer::from_json(json.as_bytes()).unwrap();
    let vocab = bert();
    assert_eq!(quick.special(), vocab.special());
    for text in TEXTS {
        let expected = general.encode(text, true).unwrap();
        for tokenizer in [&quick, &vocab] {
            let found = tokenizer.encode(text, true).unwrap();
            assert_eq!(found.ids, expected.get_ids(), "{text:?}");
            assert_eq!(found.type_ids, expected.get_type_ids());
            let offsets: Vec<_> = expected.get_offsets().iter().map(|o| o.0..o.1).collect();
            assert_eq!(found.offsets, offsets, "{text:?}");
            assert_eq!(tokenizer.ids(text, true).unwrap(), found.ids);
            assert_eq!(
                tokenizer.encode(text, false).unwrap().ids,
                general.encode(text, false).unwrap().get_ids()
            );
            let ids = expected.get_ids();
            assert_eq!(tokenizer.decode(ids, true).unwrap(), general.decode(ids, true).unwrap());
        }
        let expected = general.encode((text, "second one"), true).unwrap();
        for tokenizer in [&quick, &vocab] {
            let found = tokenizer.encode_pair(text, "second one").unwrap();
            assert_eq!(found.ids, expected.get_ids(), "{text:?}");
            assert_eq!(found.type_ids, expected.get_type_ids());
        }
    }
}

#[test]
fn long_texts_give_the_tokens_of_the_whole() {
    let tokenizer = bert();
    let mut text = String::new();
    let mut state = 1u64;
    while text.len() < 400_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
        text.push_str(TEXTS[(state >> 33) as usize % TEXTS.len()]);
        text.push_str(["", " ", "-", "\n", "漢"][(state >> 50) as usize % 5]);
    }
    let found = tokenizer.encode(&text, true).unwrap();
    let whole = tokenizer.inner.encode(text.as_str(), true).unwrap();
    assert_eq!(found.ids, whole.get_ids());
    assert!(whole.get_offsets().iter().zip(&found.offsets).all(|(a, b)| (a.0..a.1) == *b));
    assert_eq!(tokenizer.ids(&text, true).unwrap(), found.ids);
}

#[test]
fn endless_words_and_lines_end() {
    let tokenizer = bert();
    assert_eq!(tokenizer.ids(&"y".repeat(5 << 20), true).unwrap(), [101, 100, 102]);
    let line = "?!".repeat(1 << 19);
    assert_eq!(tokenizer.ids(&line, false).unwrap().len(), line.len());
}

#[test]
fn broken_files_are_errors() {
    let json = bert_json("[UNK]\n[CLS]\n[SEP]\na\nb");
    Tokenizer::from_json(json.as_bytes()).unwrap();
    for cut in (0..json.len()).step_by(7) {
        assert!(Tokenizer::from_json(&json.as_bytes()[..cut]).is_err(), "{cut}");
    }
    for text in ["", "[]", "{}", "\u{0}", r#"{"model": {"type": "Nonesuch"}}"#] {
        assert!(matches!(Tokenizer::from_json(text.as_bytes()), Err(TokenizerError::File(_))));
    }
    assert!(Tokenizer::from_json(&[0xff; 100]).is_err());
    let decoder = r###"{"type":"WordPiece","prefix":"##","cleanup":true}"###;
    let swap = |new: &str| {
        let sorted: serde_json::Value = serde_json::from_str(&json).unwrap();
        let mut fields = sorted.as_object().unwrap().clone();
        fields.insert("decoder".into(), serde_json::Value::Null);
        let text = serde_json::Value::Object(fields).to_string();
        text.replace("\"decoder\":null", &format!("\"decoder\":{new}"))
    };
    Tokenizer::from_json(swap(decoder).as_bytes()).unwrap();
    let deep = "[".repeat(100_000);
    for bad in ["5", "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"x\"}", &deep] {
        assert!(Tokenizer::from_json(swap(bad).as_bytes()).is_err(), "{}", &bad[..1]);
    }
    let vocab = |text| Tokenizer::from_vocab(text).unwrap_err();
    assert_eq!(vocab("[UNK]\n[CLS]\n"), TokenizerError::MissingToken("[SEP]"));
    assert_eq!(vocab(""), TokenizerError::MissingToken("[UNK]"));
    let twice = vocab("[UNK]\n[CLS]\na\n[SEP]\na");
    assert_eq!(twice, TokenizerError::RepeatedToken { first: 3, second: 5 });
}

#[test]
fn loading_is_quick() {
    let json = bert_json(BERT_BASE_UNCASED_VOCAB);
    let best = |load: &dyn Fn() -> Tokenizer| {
        let time = || {
            let start = Instant::now();
            drop(load());
            start.elapsed()
        };
        (0..5).map(|_| time()).min().unwrap_or_default()
    };
    let quick = best(&|| Tokenizer::from_json(json.as_bytes()).unwrap());
    let vocab = best(&bert);
    println!("tokenizer.json {quick:?}, vocab.txt {vocab:?}");
    // Machines differ: this only notices a way that became slower by an order of magnitude.
    assert!(quick.max(vocab) < Duration::from_millis(300));
}
