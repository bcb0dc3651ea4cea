//! Texts to vectors.

use m2_data::Fitted;
use m2_ir::Text;
use m2_nn::models::outputs;

use crate::{
    Error, Model, Pooling, TextOptions,
    batching::Bounds,
    texts::{Fitter, fitted},
};

/// How vectors are made. What is left out follows the model's folder.
#[derive(Clone, Debug, Default)]
pub struct EncoderOptions {
    /// Pooling other than the folder's.
    pub pooling: Option<Pooling>,
    /// Whether vectors are divided by their L2 norm.
    pub normalize: Option<bool>,
    /// Name of a prompt of the folder that is put before every text.
    pub prompt_name: Option<String>,
    /// Padding and cutting.
    pub text: TextOptions,
    /// The most texts of a batch; 0 takes the default, 32.
    pub batch_rows: usize,
    /// The most tokens of a batch, padding included; 0 takes the default, 16,384.
    pub batch_tokens: usize,
}

/// Turns texts into vectors.
///
/// ```no_run
/// let mut encoder = m2::Encoder::open("all-MiniLM-L6-v2")?;
/// let vectors = encoder.embed(&["A man is eating food.", "Someone has lunch."])?;
/// println!("similarity {:.3}", vectors.cosine(0, 1));
/// # Ok::<(), m2::Error>(())
/// ```
#[derive(Debug)]
pub struct Encoder {
    model: Model,
    output: String,
    width: usize,
    fitter: Fitter,
    prompt: String,
    bounds: Bounds,
    warnings: Vec<String>,
}

/// Vectors of texts, in the order of the texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embeddings {
    width: usize,
    values: Vec<f32>,
    texts: Vec<TextInfo>,
}

/// What became of one text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextInfo {
    /// Tokens that were read, special tokens included.
    pub tokens: usize,
    /// Tokens that were cut off because the text is too long.
    pub cut: usize,
}

/// A text as the model takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared(Fitted);

impl Encoder {
    /// Makes an encoder of a model.
    ///
    /// # Errors
    /// When the folder asks for a step that this library does not compute, the model has no
    /// tokenizer, or an option contradicts the model.
    pub fn new(model: Model, options: EncoderOptions) -> Result<Self, Error> {
        let settings = model.settings();
        if let (Some(what), None) = (&settings.unsupported, options.pooling) {
            return Err(model.error(&format!(
                "{what} is not supported; choose a pooling, cls or mean, to leave it out"
            )));
        }
        let (fitter, mut warnings) = Fitter::new(&model, options.text)?;
        warnings.extend(model.warnings().iter().cloned());
        let (output, warning) = vector(&model, options.pooling.or(settings.pooling));
        warnings.extend(warning);
        let normalize = options
            .normalize
            .unwrap_or(settings.normalize || model.config().pooling.use_normalized_embeddings);
        let output = if normalize { outputs::normalised(output) } else { output.to_owned() };
        let name = options.prompt_name.as_deref().or(settings.default_prompt.as_deref());
        let prompt = prompt(&model, name)?;
        let or = |n: usize, default: usize| if n == 0 { default } else { n };
        Ok(Encoder {
            width: model.config().hidden_size,
            bounds: Bounds {
                rows: or(options.batch_rows, 32),
                tokens: or(options.batch_tokens, 16_384),
                by_class: model.costs_by_class(),
            },
            model,
            output,
            fitter,
            prompt,
            warnings,
        })
    }

    /// Puts the prompt of this name before every text from now on; none takes prompts away.
    ///
    /// # Errors
    /// When the model's folder has no such prompt.
    pub fn set_prompt(&mut self, name: Option<&str>) -> Result<(), Error> {
        self.prompt = prompt(&self.model, name)?;
        Ok(())
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Gives the model back, for an encoder with other options.
    pub fn into_model(self) -> Model {
        self.model
    }

    /// H: values of a vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The most tokens of a text.
    pub fn max_length(&self) -> usize {
        self.fitter.limit()
    }

    /// What a user should know before using the vectors.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Everything that decides a vector besides the text, in words: equal for encoders whose vectors
    /// may be compared.
    ///
    /// # Errors
    /// When the weights have to be read again and cannot.
    pub fn identity(&self) -> Result<String, Error> {
        Ok(format!(
            "{} output {} pad {} length {} prompt {:?}",
            self.model.fingerprint()?,
            self.output,
            self.fitter.policy_name(),
            self.fitter.limit(),
            self.prompt
        ))
    }

    /// The padding that is used: `max`, `none` or a number of tokens.
    pub fn padding(&self) -> String {
        self.fitter.policy_name()
    }

    /// Tokenises, cuts and pads texts, on the threads of the machine where there are many.
    ///
    /// # Errors
    /// When the tokenizer fails, or a text is too long and that is an error.
    pub fn prepare<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Result<Vec<Prepared>, Error> {
        let rows = self.fitter.rows(&self.model, &self.prompt, texts)?;
        Ok(rows.into_iter().map(Prepared).collect())
    }

    /// Vectors of texts. In a browser, where nothing may block, this is the way.
    ///
    /// # Errors
    /// When a text cannot be tokenised, a batch is too large for the device, or a weight is NaN.
    pub async fn embed_async<S: AsRef<str> + Sync>(
        &mut self,
        texts: &[S],
    ) -> Result<Embeddings, Error> {
        let prepared = self.prepare(texts)?;
        self.embed_prepared(&prepared, &mut |_| true).await
    }

    /// Makes what the first batch of prepared texts will need.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) async fn load(&mut self, texts: &[Prepared]) -> Result<(), Error> {
        let texts: Vec<Text<'_>> = texts.iter().map(|t| fitted(&t.0)).collect();
        self.model.load_texts(&texts, self.bounds, &self.output).await
    }

    /// Vectors of prepared texts.
    ///
    /// Texts run in batches of similar lengths. After each batch `go_on` gets the number of texts of
    /// the batch; where it says no, what is returned ends before the first text that has not run.
    ///
    /// # Errors
    /// Like [`Encoder::embed_async`].
    pub async fn embed_prepared(
        &mut self,
        texts: &[Prepared],
        go_on: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Embeddings, Error> {
        let rows: Vec<Text<'_>> = texts.iter().map(|t| fitted(&t.0)).collect();
        let mut values = vec![0.0; texts.len() * self.width];
        let mut done = vec![false; texts.len()];
        let each = &mut |of: &[usize], vectors: &[f32]| {
            for (&i, vector) in of.iter().zip(vectors.chunks_exact(self.width)) {
                values[i * self.width..(i + 1) * self.width].copy_from_slice(vector);
                done[i] = true;
            }
            go_on(of.len())
        };
        self.model.run_texts(&rows, self.bounds, &self.output, each).await?;
        let whole = done.iter().position(|d| !d).unwrap_or(done.len());
        values.truncate(whole * self.width);
        let info = |t: &Prepared| TextInfo { tokens: t.0.valid, cut: t.0.cut };
        Ok(Embeddings {
            width: self.width,
            values,
            texts: texts[..whole].iter().map(info).collect(),
        })
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Encoder {
    /// Opens a model on the CPU by its folder or name ([`crate::locate`]), as its folder wants it.
    ///
    /// # Errors
    /// When there is no such model, or it cannot be used.
    pub fn open(model: impl AsRef<str>) -> Result<Self, Error> {
        let locations = crate::files::cache::Locations::from_env();
        let folder = crate::locate(model.as_ref(), &locations)?;
        let model = Model::open(&folder, crate::Device::cpu(0), crate::OpenOptions::default())?;
        Encoder::new(model, EncoderOptions::default())
    }

    /// Vectors of texts, in their order.
    ///
    /// # Errors
    /// Like [`Encoder::embed_async`].
    pub fn embed<S: AsRef<str> + Sync>(&mut self, texts: &[S]) -> Result<Embeddings, Error> {
        pollster::block_on(self.embed_async(texts))
    }
}

impl Prepared {
    /// Tokens that will be read and tokens that were cut off.
    pub fn info(&self) -> TextInfo {
        TextInfo { tokens: self.0.valid, cut: self.0.cut }
    }

    /// The row of ids, padding included.
    pub fn ids(&self) -> &[u32] {
        &self.0.ids
    }
}

impl Embeddings {
    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// H: values of a vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All vectors, (n, H) row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The vector of text `i`.
    ///
    /// # Panics
    /// When there is no text `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.width..(i + 1) * self.width]
    }

    /// What became of each text.
    pub fn texts(&self) -> &[TextInfo] {
        &self.texts
    }

    /// Cosine similarity of texts `i` and `j`, in [−1, 1].
    ///
    /// # Panics
    /// When there is no text `i` or `j`.
    pub fn cosine(&self, i: usize, j: usize) -> f32 {
        cosine(self.row(i), self.row(j))
    }
}

/// Cosine similarity of two vectors of one length; 0 where one of them is zero.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    let norm = (dot(a, a) * dot(b, b)).sqrt();
    if norm > 0.0 { (dot(a, b) / norm) as f32 } else { 0.0 }
}

/// The text of a prompt.
fn prompt(model: &Model, name: Option<&str>) -> Result<String, Error> {
    let Some(name) = name else { return Ok(String::new()) };
    let prompts = &model.settings().prompts;
    prompts.get(name).cloned().ok_or_else(|| {
        let known: Vec<&str> = prompts.keys().map(String::as_str).collect();
        model.error(&format!("it has no prompt `{name}`; it has [{}]", known.join(", ")))
    })
}

/// The model's value that is a text's vector.
fn vector(model: &Model, pooling: Option<Pooling>) -> (&'static str, Option<String>) {
    let config = model.config();
    if config.architecture == m2_nn::Architecture::Bert {
        return match pooling {
            Some(Pooling::Cls) => (outputs::FIRST, None),
            Some(Pooling::Mean) | None => (outputs::MEAN, None),
        };
    }
    let of_config = if config.pooling.pool_all { Pooling::Mean } else { Pooling::Cls };
    match pooling.unwrap_or(of_config) {
        Pooling::Mean if config.pooling.pool_all && model.heads().pooler => {
            (outputs::POOLED_MEAN, None)
        }
        Pooling::Mean => (outputs::MEAN, None),
        Pooling::Cls if config.pooling.use_cls_token => (outputs::FIRST, None),
        Pooling::Cls if model.heads().pooler => (outputs::POOLED_CLS, None),
        Pooling::Cls => {
            let what = "the checkpoint has no pooler: vectors are the first token's hidden states";
            (outputs::FIRST, Some(what.to_owned()))
        }
    }
}
