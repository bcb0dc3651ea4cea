//! Texts to the classes that a model was trained for.

use m2_ir::Text;
use m2_nn::models::outputs;

use crate::{
    Error, Model, Pooling, TextOptions,
    batching::Bounds,
    fill_mask::softmax,
    texts::{Fitter, as_it_lies, fitted},
};

/// Sorts texts into classes.
#[derive(Debug)]
pub struct Classifier {
    model: Model,
    options: TextOptions,
    output: &'static str,
}

/// The classes of one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Classes {
    /// The model's score of each class.
    pub logits: Vec<f32>,
}

impl Classes {
    /// Softmax of the scores.
    pub fn probabilities(&self) -> Vec<f32> {
        softmax(&self.logits)
    }

    /// The class with the highest score.
    pub fn best(&self) -> usize {
        crate::fill_mask::best(&self.logits, 1).first().copied().unwrap_or(0)
    }
}

impl Classifier {
    /// Makes a classifier of a model, by the pooling its configuration names where none is given.
    ///
    /// # Errors
    /// When the model has no head for it.
    pub fn new(
        model: Model,
        pooling: Option<Pooling>,
        options: TextOptions,
    ) -> Result<Self, Error> {
        if !model.heads().classifier {
            return Err(model.error(
                "the checkpoint has no classification head (classifier.*); it cannot classify",
            ));
        }
        let own = if model.config().pooling.pool_all { Pooling::Mean } else { Pooling::Cls };
        let output = match pooling.unwrap_or(own) {
            Pooling::Cls => outputs::CLASSES_CLS,
            Pooling::Mean => outputs::CLASSES_MEAN,
        };
        Ok(Classifier { model, options, output })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The name of a class.
    pub fn label(&self, class: usize) -> String {
        self.model.config().label(class)
    }

    /// The classes of texts, in their order.
    ///
    /// # Errors
    /// When the model has no tokenizer; else like [`Model::run`].
    pub async fn classify<S: AsRef<str> + Sync>(
        &mut self,
        texts: &[S],
    ) -> Result<Vec<Classes>, Error> {
        let (fitter, _) = Fitter::new(&self.model, self.options)?;
        let rows = fitter.rows(&self.model, "", texts)?;
        self.run(&rows.iter().map(fitted).collect::<Vec<_>>()).await
    }

    /// The classes of rows of ids as they lie; padding ids at a row's end are padding.
    ///
    /// # Errors
    /// When an id is not the model's, or a row is too long.
    pub async fn classify_ids(&mut self, rows: &[Vec<u32>]) -> Result<Vec<Classes>, Error> {
        let texts: Vec<Text<'_>> = rows.iter().map(|ids| as_it_lies(&self.model, ids)).collect();
        self.run(&texts).await
    }

    async fn run(&mut self, texts: &[Text<'_>]) -> Result<Vec<Classes>, Error> {
        let bounds = Bounds { rows: 32, tokens: 16_384, by_class: self.model.costs_by_class() };
        let width = self.model.config().num_labels;
        let mut all = vec![Classes { logits: Vec::new() }; texts.len()];
        let each = &mut |of: &[usize], logits: &[f32]| {
            for (&i, logits) in of.iter().zip(logits.chunks_exact(width)) {
                all[i].logits = logits.to_vec();
            }
            true
        };
        self.model.run_texts(texts, bounds, self.output, each).await?;
        Ok(all)
    }
}
