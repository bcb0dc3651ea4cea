//! Text to ids and back.
//!
//! Truncation and padding never happen here, whatever a `tokenizer.json` asks for: they are a
//! model's business ([`crate::fit()`]).

use std::ops::Range;

use ahash::AHashMap;
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PreTokenizerWrapper,
    decoders::wordpiece::WordPiece as WordPieceDecoder, models::wordpiece::WordPiece,
    normalizers::BertNormalizer, pre_tokenizers::bert::BertPreTokenizer,
    processors::bert::BertProcessing,
};

use crate::{segments, tokenizer_file};

/// The vocabulary of bert-base-uncased, one piece a line: what every published M2-BERT uses.
pub const BERT_BASE_UNCASED_VOCAB: &str =
    include_str!("../../../tests/data/bert-base-uncased/vocab.txt");

/// The ids of BERT's special tokens, as far as a vocabulary has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpecialIds {
    /// `[PAD]`
    pub pad: Option<u32>,
    /// `[UNK]`
    pub unk: Option<u32>,
    /// `[CLS]`
    pub cls: Option<u32>,
    /// `[SEP]`
    pub sep: Option<u32>,
    /// `[MASK]`
    pub mask: Option<u32>,
}

/// A tokenised text or pair of texts. The three lists are equally long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Token ids.
    pub ids: Vec<u32>,
    /// 0 for the first text, 1 for the second.
    pub type_ids: Vec<u32>,
    /// The bytes of the text each token comes from; empty for special tokens.
    pub offsets: Vec<Range<usize>>,
}

/// A tokenizer that cannot be read, or a text that it fails on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The bytes of a `tokenizer.json` are not a tokenizer.
    #[error("tokenizer.json: {0}")]
    File(String),
    /// A `vocab.txt` without a token that BERT needs.
    #[error("vocab.txt: the token `{0}` is missing")]
    MissingToken(&'static str),
    /// A `vocab.txt` that holds a token twice.
    #[error("vocab.txt: line {second} repeats the token of line {first}")]
    RepeatedToken {
        /// Line of the first, from 1.
        first: u32,
        /// Line of the second.
        second: u32,
    },
    /// The text could not be tokenised.
    #[error("cannot tokenise the text: {0}")]
    Text(String),
    /// Ids could not be turned into text.
    #[error("cannot decode the ids: {0}")]
    Ids(String),
}

/// Turns text into ids.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    special: SpecialIds,
    single: Frame,
    pair: PairFrame,
    /// Whether text may be tokenised piece by piece between spaces without a difference.
    splittable: bool,
}

/// The special tokens around one text.
#[derive(Clone, Debug, Default)]
struct Frame {
    before: Vec<u32>,
    after: Vec<u32>,
}

/// The special tokens around two texts, with their token types.
#[derive(Clone, Debug, Default)]
struct PairFrame {
    before: Vec<(u32, u32)>,
    between: Vec<(u32, u32)>,
    after: Vec<(u32, u32)>,
    second_type: u32,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer").field("special", &self.special).finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Reads the bytes of a `tokenizer.json`. Its truncation and padding are switched off.
    ///
    /// # Errors
    /// When the bytes are not a tokenizer.
    pub fn from_json(bytes: &[u8]) -> Result<Self, TokenizerError> {
        Self::from_inner(tokenizer_file::read(bytes)?)
    }

    /// An uncased BERT WordPiece tokenizer from the text of a `vocab.txt`, one piece a line.
    ///
    /// # Errors
    /// When `[UNK]`, `[CLS]` or `[SEP]` is missing, or a piece occurs twice.
    pub fn from_vocab(text: &str) -> Result<Self, TokenizerError> {
        let mut vocab = AHashMap::with_capacity(text.len() / 7);
        for (id, line) in (0u32..).zip(text.lines()) {
            if let Some(first) = vocab.insert(line.to_owned(), id) {
                return Err(TokenizerError::RepeatedToken { first: first + 1, second: id + 1 });
            }
        }
        let find = |t: &'static str| vocab.get(t).copied().ok_or(TokenizerError::MissingToken(t));
        find("[UNK]")?;
        let (cls, sep) = (find("[CLS]")?, find("[SEP]")?);
        let present: Vec<AddedToken> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
            .iter()
            .filter(|t| vocab.contains_key(**t))
            .map(|t| AddedToken::from(*t, true))
            .collect();
        let model = WordPiece::builder().vocab(vocab).unk_token("[UNK]".into()).build();
        let model = model.map_err(|e| TokenizerError::File(e.to_string()))?;
        let mut inner = tokenizers::Tokenizer::new(model);
        inner
            .with_normalizer(Some(BertNormalizer::default()))
            .with_pre_tokenizer(Some(BertPreTokenizer))
            .with_post_processor(Some(BertProcessing::new(
                ("[SEP]".into(), sep),
                ("[CLS]".into(), cls),
            )))
            .with_decoder(Some(DecoderWrapper::WordPiece(WordPieceDecoder::default())));
        inner.add_special_tokens(&present);
        Self::from_inner(inner)
    }

    /// bert-base-uncased, from the vocabulary that is part of this crate.
    pub fn bert_base_uncased() -> Self {
        Self::from_vocab(BERT_BASE_UNCASED_VOCAB)
            .unwrap_or_else(|e| unreachable!("the built-in vocabulary: {e}"))
    }

    fn from_inner(mut inner: tokenizers::Tokenizer) -> Result<Self, TokenizerError> {
        // Taking the settings away cannot fail; only setting them is checked.
        inner.with_truncation(None).map_err(|e| TokenizerError::File(e.to_string()))?;
        inner.with_padding(None);
        let id = |token| inner.token_to_id(token);
        let special = SpecialIds {
            pad: id("[PAD]"),
            unk: id("[UNK]"),
            cls: id("[CLS]"),
            sep: id("[SEP]"),
            mask: id("[MASK]"),
        };
        let splittable = matches!(inner.get_normalizer(), Some(NormalizerWrapper::BertNormalizer(n)) if n.clean_text)
            && matches!(inner.get_pre_tokenizer(), Some(PreTokenizerWrapper::BertPreTokenizer(_)));
        let single = frame(&inner)?;
        let pair = pair_frame(&inner)?;
        Ok(Tokenizer { inner, special, single, pair, splittable })
    }

    /// The ids of the special tokens.
    pub fn special(&self) -> SpecialIds {
        self.special
    }

    /// Number of special tokens after a text: those that a cut should keep ([`crate::fit()`]).
    pub fn tail(&self) -> usize {
        self.single.after.len()
    }

    /// Number of special tokens around a text.
    pub fn frame_len(&self) -> usize {
        self.single.before.len() + self.single.after.len()
    }

    /// Number of ids, the added tokens included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The id of a token.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token of an id.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// Tokenises a text, however long, optionally between its special tokens.
    ///
    /// # Errors
    /// When the tokenizer's model fails on the text.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Encoding, TokenizerError> {
        let mut out = Encoding::default();
        if add_special {
            out.push_special(self.single.before.iter().map(|&id| (id, 0)));
        }
        self.append(&mut out, text, 0)?;
        if add_special {
            out.push_special(self.single.after.iter().map(|&id| (id, 0)));
        }
        Ok(out)
    }

    /// The ids of [`Tokenizer::encode`] without the rest, which is faster.
    ///
    /// # Errors
    /// Like [`Tokenizer::encode`].
    pub fn ids(&self, text: &str, add_special: bool) -> Result<Vec<u32>, TokenizerError> {
        let mut ids = if add_special { self.single.before.clone() } else { Vec::new() };
        for part in self.parts(text) {
            let encoded = self.inner.encode_fast(&text[part], false).map_err(text_error)?;
            ids.extend_from_slice(encoded.get_ids());
        }
        if add_special {
            ids.extend_from_slice(&self.single.after);
        }
        Ok(ids)
    }

    /// Tokenises two texts as one sequence, `[CLS] first [SEP] second [SEP]` for BERT. Offsets count
    /// in the text a token comes from.
    ///
    /// # Errors
    /// Like [`Tokenizer::encode`].
    pub fn encode_pair(&self, first: &str, second: &str) -> Result<Encoding, TokenizerError> {
        let mut out = Encoding::default();
        out.push_special(self.pair.before.iter().copied());
        self.append(&mut out, first, 0)?;
        out.push_special(self.pair.between.iter().copied());
        self.append(&mut out, second, self.pair.second_type)?;
        out.push_special(self.pair.after.iter().copied());
        Ok(out)
    }

    /// The text of ids, without special tokens where `skip_special`.
    ///
    /// # Errors
    /// When the tokenizer's decoder fails.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizerError> {
        self.inner.decode(ids, skip_special).map_err(|e| TokenizerError::Ids(e.to_string()))
    }

    fn parts<'a>(&self, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        let whole = (!self.splittable).then_some(0..text.len());
        let parts = self.splittable.then(|| segments::split(text));
        whole.into_iter().chain(parts.into_iter().flatten())
    }

    fn append(&self, out: &mut Encoding, text: &str, kind: u32) -> Result<(), TokenizerError> {
        for part in self.parts(text) {
            let base = part.start;
            let encoded = self.inner.encode(&text[part], false).map_err(text_error)?;
            out.ids.extend_from_slice(encoded.get_ids());
            let shifted = encoded.get_offsets().iter().map(|(a, b)| base + a..base + b);
            out.offsets.extend(shifted);
        }
        out.type_ids.resize(out.ids.len(), kind);
        Ok(())
    }
}

impl Encoding {
    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    fn push_special(&mut self, tokens: impl Iterator<Item = (u32, u32)>) {
        for (id, kind) in tokens {
            self.ids.push(id);
            self.type_ids.push(kind);
            self.offsets.push(0..0);
        }
    }
}

fn text_error(error: tokenizers::Error) -> TokenizerError {
    TokenizerError::Text(error.to_string())
}

/// Learns what the post-processor puts around a text by showing it one.
fn frame(inner: &tokenizers::Tokenizer) -> Result<Frame, TokenizerError> {
    let ids = |special| Ok(inner.encode_fast("a", special).map_err(text_error)?.get_ids().to_vec());
    let (plain, framed): (Vec<u32>, Vec<u32>) = (ids(false)?, ids(true)?);
    match find(&framed, &plain, 0) {
        Some(at) => {
            Ok(Frame { before: framed[..at].to_vec(), after: framed[at + plain.len()..].to_vec() })
        }
        None => Err(unknown_frame()),
    }
}

fn pair_frame(inner: &tokenizers::Tokenizer) -> Result<PairFrame, TokenizerError> {
    let plain = |text| {
        let encoded = inner.encode_fast(text, false).map_err(text_error)?;
        Ok::<_, TokenizerError>(encoded.get_ids().to_vec())
    };
    let (a, b) = (plain("a")?, plain("b")?);
    let framed = inner.encode_fast(("a", "b"), true).map_err(text_error)?;
    let ids = framed.get_ids();
    let first = find(ids, &a, 0).ok_or_else(unknown_frame)?;
    let second = find(ids, &b, first + a.len()).ok_or_else(unknown_frame)?;
    let tokens: Vec<(u32, u32)> =
        ids.iter().copied().zip(framed.get_type_ids().iter().copied()).collect();
    Ok(PairFrame {
        before: tokens[..first].to_vec(),
        between: tokens[first + a.len()..second].to_vec(),
        after: tokens[second + b.len()..].to_vec(),
        second_type: tokens.get(second).map_or(0, |t| t.1),
    })
}

fn find(haystack: &[u32], needle: &[u32], from: usize) -> Option<usize> {
    let last = haystack.len().checked_sub(needle.len())?;
    (from..=last).find(|&at| haystack[at..].starts_with(needle))
}

fn unknown_frame() -> TokenizerError {
    TokenizerError::File("its post_processor changes the tokens of the text".into())
}

#[cfg(test)]
mod tests;
