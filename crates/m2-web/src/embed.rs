//! Vectors of texts by a model of seeded weights: what a page can time and compare.

use m2::{Encoder, EncoderOptions, Model, TextOptions};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::device::open;

/// The vector of a text, cut after `length` tokens, by a configuration with seeded weights.
///
/// `preset` names the configuration, `vocabulary` holds a token a line, `device` is `gpu` or `cpu`.
///
/// # Errors
/// With a message when there is no such configuration, or the device is missing or fails.
#[wasm_bindgen]
pub async fn embed_seeded(
    preset: String,
    length: usize,
    seed: u32,
    vocabulary: String,
    text: String,
    device: String,
) -> Result<Vec<f32>, String> {
    let device = open(&device).await?;
    let model = Model::seeded(&preset, length, seed, &vocabulary, device);
    let text_options = TextOptions { max_length: Some(length), ..TextOptions::default() };
    let options = EncoderOptions { text: text_options, ..EncoderOptions::default() };
    let encoder = model.and_then(|model| Encoder::new(model, options));
    let mut encoder = encoder.map_err(|e| e.to_string())?;
    let vectors = encoder.embed_async(&[text]).await.map_err(|e| e.to_string())?;
    Ok(vectors.values().to_vec())
}
