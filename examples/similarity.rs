//! Sorts sentences by their similarity to the first: `similarity MODEL SENTENCE SENTENCE…`.

use std::{env, process::ExitCode};

use m2::Encoder;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [model, sentences @ ..] = &arguments[..] else { return usage() };
    if sentences.len() < 2 {
        return usage();
    }
    match ranked(model, sentences) {
        Ok(ranked) => {
            for (similarity, sentence) in ranked {
                println!("{similarity:.3}  {sentence}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn ranked<'a>(model: &str, sentences: &'a [String]) -> Result<Vec<(f32, &'a str)>, m2::Error> {
    let mut encoder = Encoder::open(model)?;
    let vectors = encoder.embed(sentences)?;
    let mut ranked: Vec<(f32, &str)> =
        (1..sentences.len()).map(|i| (vectors.cosine(0, i), sentences[i].as_str())).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    Ok(ranked)
}

fn usage() -> ExitCode {
    eprintln!("usage: similarity MODEL SENTENCE SENTENCE…");
    ExitCode::from(2)
}
