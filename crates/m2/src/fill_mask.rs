//! Masked words to words that fit.

use m2_ir::{Batch, Text};
use m2_nn::models::outputs;

use crate::{
    Error, Model, TextOptions,
    texts::{Fitter, as_it_lies, fitted},
};

/// Fills masked positions in.
#[derive(Debug)]
pub struct FillMask {
    model: Model,
    options: TextOptions,
}

/// What fits in one position.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The position in the row of tokens, from 0.
    pub position: usize,
    /// What fits, the best first.
    pub candidates: Vec<Candidate>,
}

/// One token that fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its id.
    pub id: u32,
    /// The token; none where the model has no tokenizer or no token of this id.
    pub token: Option<String>,
    /// The model's score.
    pub logit: f32,
    /// Softmax of the scores of all tokens.
    pub probability: f32,
}

impl FillMask {
    /// Makes a filler of a model.
    ///
    /// # Errors
    /// When the model has no head for it.
    pub fn new(model: Model, options: TextOptions) -> Result<Self, Error> {
        if !model.heads().mlm {
            return Err(model.error(
                "the checkpoint has no masked-language-model head (cls.predictions.*); it cannot \
                 fill masks",
            ));
        }
        Ok(FillMask { model, options })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The `top` best tokens for each `[MASK]` of a text.
    ///
    /// # Errors
    /// When the text holds no `[MASK]`, or it is cut off; else like [`Model::run`].
    pub async fn fill(&mut self, text: &str, top: usize) -> Result<Vec<Answer>, Error> {
        let (fitter, _) = Fitter::new(&self.model, self.options)?;
        let row = fitter.rows(&self.model, "", &[text])?.remove(0);
        let mask = self.model.tokenizer()?.special().mask;
        let asked: Vec<usize> = positions(&row.ids, mask);
        if asked.is_empty() {
            let what = match row.cut {
                0 => "there is no [MASK] in it; put one where a word is missing".to_owned(),
                n => format!("it is too long: {n} tokens were cut off, and no [MASK] is left"),
            };
            return Err(Error::Text { index: 0, what });
        }
        Ok(self.answer(&[fitted(&row)], &[asked], top).await?.remove(0))
    }

    /// The same for rows of ids as they lie. Where none is `[MASK]`, every position is answered.
    ///
    /// # Errors
    /// When an id is not the model's, or a row is too long.
    pub async fn fill_ids(
        &mut self,
        rows: &[Vec<u32>],
        top: usize,
    ) -> Result<Vec<Vec<Answer>>, Error> {
        let mask = self.model.tokenizer().ok().and_then(|t| t.special().mask);
        let texts: Vec<Text<'_>> = rows.iter().map(|ids| as_it_lies(&self.model, ids)).collect();
        let mut asked: Vec<Vec<usize>> = texts.iter().map(|t| positions(t.ids, mask)).collect();
        if asked.iter().all(Vec::is_empty) {
            asked = texts.iter().map(|t| (0..t.ids.len()).collect()).collect();
        }
        self.answer(&texts, &asked, top).await
    }

    async fn answer(
        &mut self,
        texts: &[Text<'_>],
        asked: &[Vec<usize>],
        top: usize,
    ) -> Result<Vec<Vec<Answer>>, Error> {
        let batch = Batch::from_texts(texts)?;
        let offsets = batch.rows().rows().iter().map(|r| r.offset);
        let flat = offsets
            .zip(asked)
            .flat_map(|(offset, positions)| positions.iter().map(move |&p| offset + p as u32))
            .collect();
        let batch = batch.with_asked(flat)?;
        let logits = self.model.run(&batch, &[outputs::ASKED_LOGITS]).await?;
        let logits = logits[0].to_f32();
        let mut rows = logits.chunks_exact(self.model.config().vocab_size);
        let mut answers = Vec::with_capacity(asked.len());
        for positions in asked {
            let mut of_row = Vec::with_capacity(positions.len());
            for (&position, logits) in positions.iter().zip(rows.by_ref()) {
                if !logits.iter().all(|v| v.is_finite()) {
                    return Err(self.model.not_finite());
                }
                of_row.push(Answer { position, candidates: self.candidates(logits, top) });
            }
            answers.push(of_row);
        }
        Ok(answers)
    }

    fn candidates(&self, logits: &[f32], top: usize) -> Vec<Candidate> {
        let tokenizer = self.model.tokenizer().ok();
        let probabilities = softmax(logits);
        best(logits, top)
            .into_iter()
            .map(|i| Candidate {
                id: i as u32,
                token: tokenizer.and_then(|t| t.id_to_token(i as u32)),
                logit: logits[i],
                probability: probabilities[i],
            })
            .collect()
    }
}

fn positions(ids: &[u32], mask: Option<u32>) -> Vec<usize> {
    ids.iter().enumerate().filter(|(_, id)| Some(**id) == mask).map(|(i, _)| i).collect()
}

/// Indices of the largest values, largest first; of equal ones the first.
pub(crate) fn best(values: &[f32], top: usize) -> Vec<usize> {
    let order = |a: &usize, b: &usize| values[*b].total_cmp(&values[*a]).then(a.cmp(b));
    let mut all: Vec<usize> = (0..values.len()).collect();
    if top < all.len() {
        all.select_nth_unstable_by(top, order);
        all.truncate(top);
    }
    all.sort_unstable_by(order);
    all
}

/// `exp(x) / Σ exp(x)`, shifted so that nothing overflows.
pub(crate) fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|&v| f64::from(v - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|p| (p / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_sorted_and_ties_keep_their_order() {
        let values = [1.0, 3.0, -2.0, 3.0, 2.0];
        assert_eq!(best(&values, 3), [1, 3, 4]);
        assert_eq!(best(&values, 9), [1, 3, 4, 0, 2]);
        assert!(best(&values, 0).is_empty());
    }

    #[test]
    fn softmax_sums_to_one_at_any_size() {
        let p = softmax(&[1000.0, 1000.0, 0.0]);
        assert_eq!((p[0], p[1], p[2]), (0.5, 0.5, 0.0));
    }
}
