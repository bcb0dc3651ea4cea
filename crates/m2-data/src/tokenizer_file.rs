//! Reads `tokenizer.json`, WordPiece files by a short way.
//!
//! The general reader builds generic trees of the whole file before it fills the vocabulary; for a
//! BERT file that takes two to three times as long as filling the map directly.

use std::fmt;

use ahash::AHashMap;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    Tokenizer, models::wordpiece::WordPiece,
};

use crate::tokenizer::TokenizerError;

/// A `tokenizer.json` as a tokenizer, its truncation and padding still on where it was read whole.
pub(crate) fn read(bytes: &[u8]) -> Result<Tokenizer, TokenizerError> {
    // What the short way does not know is no error: the general reader has the last word.
    if let Some(tokenizer) = serde_json::from_slice(bytes).ok().and_then(assemble) {
        return Ok(tokenizer);
    }
    let error = |e: &dyn fmt::Display| TokenizerError::File(e.to_string());
    // The general reader panics on some malformed files, so they are sorted out before.
    let value: Value = serde_json::from_slice(bytes).map_err(|e| error(&e))?;
    if has_precompiled(&value) {
        return Err(error(&"a `Precompiled` normalizer (SentencePiece) is not supported"));
    }
    Tokenizer::from_bytes(bytes).map_err(|e| error(&e))
}

/// Whether any part is of the type `Precompiled`, whose reader trusts its data.
fn has_precompiled(value: &Value) -> bool {
    match value {
        Value::Object(map) => {
            map.get("type").is_some_and(|t| t == "Precompiled") || map.values().any(has_precompiled)
        }
        Value::Array(list) => list.iter().any(has_precompiled),
        _ => false,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "version")]
    _version: de::IgnoredAny,
    #[serde(rename = "truncation", default)]
    _truncation: de::IgnoredAny,
    #[serde(rename = "padding", default)]
    _padding: de::IgnoredAny,
    #[serde(default)]
    added_tokens: Vec<Added>,
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    post_processor: Option<Value>,
    decoder: Option<Value>,
    model: Model,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    #[serde(flatten)]
    token: AddedToken,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    #[serde(rename = "type")]
    kind: String,
    unk_token: String,
    continuing_subword_prefix: String,
    max_input_chars_per_word: usize,
    #[serde(deserialize_with = "vocabulary")]
    vocab: AHashMap<String, u32>,
}

fn vocabulary<'de, D: Deserializer<'de>>(d: D) -> Result<AHashMap<String, u32>, D::Error> {
    struct Visitor;
    impl<'de> de::Visitor<'de> for Visitor {
        type Value = AHashMap<String, u32>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of token to id")
        }

        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            // Room for BERT's vocabulary, so that the map never grows.
            let mut vocab = AHashMap::with_capacity(1 << 15);
            while let Some((token, id)) = map.next_entry()? {
                vocab.insert(token, id);
            }
            Ok(vocab)
        }
    }
    d.deserialize_map(Visitor)
}

/// `None` where the general reader would do something else.
fn assemble(file: File) -> Option<Tokenizer> {
    let Model { kind, unk_token, continuing_subword_prefix, max_input_chars_per_word, vocab } =
        file.model;
    let known = |a: &Added| a.token.special && vocab.get(&a.token.content) == Some(&a.id);
    if kind != "WordPiece" || !file.added_tokens.iter().all(known) {
        return None;
    }
    let model = WordPiece::builder()
        .vocab(vocab)
        .unk_token(unk_token)
        .continuing_subword_prefix(continuing_subword_prefix)
        .max_input_chars_per_word(max_input_chars_per_word)
        .build()
        .ok()?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer
        .with_normalizer(part::<NormalizerWrapper>(file.normalizer)?)
        .with_pre_tokenizer(part::<PreTokenizerWrapper>(file.pre_tokenizer)?)
        .with_post_processor(part::<PostProcessorWrapper>(file.post_processor)?)
        .with_decoder(part::<DecoderWrapper>(file.decoder)?);
    let added: Vec<AddedToken> = file.added_tokens.into_iter().map(|a| a.token).collect();
    tokenizer.add_special_tokens(&added);
    Some(tokenizer)
}

/// A component that may be absent; `None` outside where it cannot be read.
fn part<T: de::DeserializeOwned>(value: Option<Value>) -> Option<Option<T>> {
    value.map(serde_json::from_value).transpose().ok()
}
