//! MiniLM through candle, as a user of it would write it; minilm.py builds and starts this.
//!
//! Arguments: a model's folder, and either a text, whose vector is printed, or nothing: then JSON
//! lines `{"texts", "runs", "warm"}` are answered with `{"ms", "vectors"}`.

use std::{
    env, fs,
    io::{self, BufRead, Write},
    time::Instant,
};

use anyhow::{Error, Result};
use candle_core::{Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config, DTYPE};
use serde_json::{Value, json};
use tokenizers::{PaddingParams, Tokenizer, TruncationParams};

struct Encoder {
    model: BertModel,
    tokenizer: Tokenizer,
}

impl Encoder {
    fn open(folder: &str) -> Result<Self> {
        let config: Config =
            serde_json::from_str(&fs::read_to_string(format!("{folder}/config.json"))?)?;
        let mut tokenizer =
            Tokenizer::from_file(format!("{folder}/tokenizer.json")).map_err(Error::msg)?;
        let truncation = TruncationParams { max_length: 256, ..Default::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(Error::msg)?;
        tokenizer.with_padding(Some(PaddingParams::default()));
        let weights = [format!("{folder}/model.safetensors")];
        // SAFETY: nobody writes the file while it is mapped.
        let vb = unsafe { VarBuilder::from_mmaped_safetensors(&weights, DTYPE, &Device::Cpu)? };
        Ok(Encoder { model: BertModel::load(vb, &config)?, tokenizer })
    }

    fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let encoded = self.tokenizer.encode_batch(texts.to_vec(), true).map_err(Error::msg)?;
        let shape = (texts.len(), encoded[0].get_ids().len());
        let all = |of: fn(&tokenizers::Encoding) -> &[u32]| {
            let flat: Vec<u32> = encoded.iter().flat_map(|e| of(e).to_vec()).collect();
            Tensor::from_vec(flat, shape, &Device::Cpu)
        };
        let (ids, mask) = (all(|e| e.get_ids())?, all(|e| e.get_attention_mask())?);
        let hidden = self.model.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        let mask = mask.to_dtype(DTYPE)?.unsqueeze(2)?;
        let mean = hidden.broadcast_mul(&mask)?.sum(1)?.broadcast_div(&mask.sum(1)?)?;
        let norm = mean.sqr()?.sum_keepdim(1)?.sqrt()?;
        Ok(mean.broadcast_div(&norm)?.to_vec2()?)
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let encoder = Encoder::open(&arguments[0])?;
    if let Some(text) = arguments.get(1) {
        println!("{}", json!(encoder.embed(&[text.clone()])?[0]));
        return Ok(());
    }
    for line in io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let texts: Vec<String> = serde_json::from_value(request["texts"].clone())?;
        let count = |name: &str| request[name].as_u64().unwrap_or(1).max(1);
        let mut vectors = encoder.embed(&texts)?;
        for _ in 1..count("warm") {
            vectors = encoder.embed(&texts)?;
        }
        let mut times = Vec::new();
        for _ in 0..count("runs") {
            let start = Instant::now();
            vectors = encoder.embed(&texts)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let answer = json!({"ms": times[times.len() / 2], "vectors": vectors});
        writeln!(io::stdout(), "{answer}")?;
    }
    Ok(())
}
