//! From a text to a row of ids, by the model's padding policy.

use std::borrow::Cow;

use m2_data::{Fitted, Policy, fit};
use m2_nn::{Architecture, Padding};

use crate::{Error, Model};

/// How texts are padded and cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextOptions {
    /// Padding other than the model's own.
    pub padding: Option<Policy>,
    /// The most tokens of a text; the model's own limit where none is given.
    pub max_length: Option<usize>,
    /// Refuse a text that is too long instead of cutting it.
    pub strict: bool,
}

/// Turns texts into rows of ids.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fitter {
    policy: Policy,
    limit: usize,
    /// Rows are filled up to this length.
    padded: usize,
    pad_id: u32,
    /// Special tokens at the end that a cut spares.
    tail: usize,
    spare_end: bool,
    strict: bool,
}

impl Fitter {
    /// The rule for a model, and what a user should know about it.
    pub fn new(model: &Model, options: TextOptions) -> Result<(Self, Vec<String>), Error> {
        let config = model.config();
        let n = model.max_positions();
        let attention = config.architecture.has_attention();
        let own = match config.padding {
            Padding::Max => Policy::Max,
            Padding::None => Policy::None,
        };
        let policy = options.padding.unwrap_or(own);
        let mut warnings = Vec::new();
        if policy != own && !attention {
            warnings.push(format!(
                "{} is made for padding `{}`; with `{}` its vectors are others",
                model.name(),
                config.padding.name(),
                name(policy)
            ));
        }
        let folder = model.settings().max_length.unwrap_or(n).min(n);
        let mut limit = options.max_length.unwrap_or(folder);
        if limit > n {
            return Err(model.error(&format!(
                "it takes at most {n} tokens, {limit} were asked for; use --max-length {n} or a \
                 model for longer texts"
            )));
        }
        if let Policy::Fixed(p) = policy {
            if p > n {
                return Err(
                    model.error(&format!("it takes at most {n} tokens; pad to less than {p}"))
                );
            }
            limit = limit.min(p);
        }
        let least = model.tokenizer()?.frame_len() + 1;
        if limit < least {
            return Err(model.error(&format!(
                "a text of at most {limit} tokens has no room for its special tokens; use {least} \
                 or more"
            )));
        }
        let padded = match policy {
            // Attention and pooling stop at a row's text, so padding would be computed for nothing.
            _ if attention => 0,
            Policy::Max => n,
            Policy::Fixed(p) => p,
            Policy::None => 0,
        };
        let fitter = Fitter {
            policy: if attention { Policy::None } else { policy },
            limit,
            padded,
            pad_id: model.pad_id(),
            tail: model.tokenizer()?.tail(),
            spare_end: attention,
            strict: options.strict,
        };
        Ok((fitter, warnings))
    }

    /// The policy in words, for files that record it.
    pub fn policy_name(&self) -> String {
        name(self.policy)
    }

    /// The most tokens of a text.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The rows of texts, each with `prompt` before it, on several threads where there is much text.
    pub fn rows<S: AsRef<str> + Sync>(
        &self,
        model: &Model,
        prompt: &str,
        texts: &[S],
    ) -> Result<Vec<Fitted>, Error> {
        let (tokenizer, name) = (model.tokenizer()?, model.name());
        in_parallel(texts, &|index, text| {
            let text = match prompt {
                "" => Cow::Borrowed(text),
                prompt => Cow::Owned(format!("{prompt}{text}")),
            };
            let ids = tokenizer
                .ids(&text, true)
                .map_err(|source| Error::Tokenizer { file: name.to_owned(), source })?;
            self.fit(index, &ids)
        })
    }

    /// The row of a text's ids; `index` is the text's place in error messages.
    pub fn fit(&self, index: usize, ids: &[u32]) -> Result<Fitted, Error> {
        let policy = match self.policy {
            Policy::None => Policy::None,
            Policy::Max | Policy::Fixed(_) => Policy::Fixed(self.limit.min(ids.len())),
        };
        let mut row = fit(ids, policy, self.limit, self.pad_id, self.tail, self.spare_end);
        if self.strict && row.cut > 0 {
            return Err(Error::Text {
                index,
                what: format!(
                    "it has {} tokens, at most {} are taken; split it, or allow that it is cut",
                    ids.len(),
                    self.limit
                ),
            });
        }
        row.ids.resize(row.ids.len().max(self.padded), self.pad_id);
        Ok(row)
    }
}

/// A text that was cut and padded.
pub(crate) fn fitted(text: &Fitted) -> m2_ir::Text<'_> {
    m2_ir::Text { ids: &text.ids, token_types: None, valid: text.valid }
}

/// A row of ids as it lies: padding ids at its end are padding, all the rest is text. ALiBi BERT
/// drops its padding before the encoder, so its row ends there.
pub(crate) fn as_it_lies<'a>(model: &Model, ids: &'a [u32]) -> m2_ir::Text<'a> {
    let padding = ids.iter().rev().take_while(|&&id| id == model.pad_id()).count();
    let valid = ids.len() - padding;
    let length = match model.config().architecture {
        Architecture::AlibiBert => valid,
        Architecture::M2Bert | Architecture::Bert => ids.len(),
    };
    m2_ir::Text { ids: &ids[..length], token_types: None, valid }
}

fn name(policy: Policy) -> String {
    match policy {
        Policy::Max => "max".into(),
        Policy::None => "none".into(),
        Policy::Fixed(n) => n.to_string(),
    }
}

/// `f` of every text, in order; the first error wins.
fn in_parallel<S: AsRef<str> + Sync, T: Send>(
    texts: &[S],
    f: &(dyn Fn(usize, &str) -> Result<T, Error> + Sync),
) -> Result<Vec<T>, Error> {
    let one = |from: usize, texts: &[S]| -> Result<Vec<T>, Error> {
        texts.iter().enumerate().map(|(i, text)| f(from + i, text.as_ref())).collect()
    };
    let threads = threads_for(texts.iter().map(|t| t.as_ref().len()).sum());
    if threads < 2 || texts.len() < 2 {
        return one(0, texts);
    }
    let share = texts.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let handles: Vec<_> = texts
            .chunks(share)
            .enumerate()
            .map(|(part, texts)| scope.spawn(move || one(part * share, texts)))
            .collect();
        let mut all = Vec::with_capacity(texts.len());
        for handle in handles {
            all.extend(handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(all)
    })
}

/// Threads that are worth their start for so many bytes of text.
fn threads_for(bytes: usize) -> usize {
    if cfg!(target_arch = "wasm32") || bytes < 16 << 10 {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, |n| n.get()).min(8)
}
