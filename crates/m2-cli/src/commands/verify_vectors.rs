//! `m2 verify --vectors`: this model's vectors beside another engine's.

use std::{
    io::{self, BufRead, Write},
    path::Path,
};

use anyhow::{Context, bail};
use m2::{Embeddings, Encoder, Policy, cosine, files::npy};
use serde_json::{Value, json};

use crate::{
    args::{Args, ModelArgs, Verify},
    exit::Outcome,
};

/// Vectors of one model and text agree at least so well, whatever the engine.
const LIMIT: f32 = 0.9999;
/// Rows that are shown and looked into.
const WORST: usize = 5;

pub fn run(args: &Args, a: &Verify, vectors: &Path) -> anyhow::Result<Outcome> {
    let (theirs, own_texts) = read(vectors)?;
    let texts = match &a.texts {
        Some(path) => super::embed::texts(path)?,
        None => own_texts.context(
            "the texts are missing: give --texts FILE, or JSON Lines with `text` beside `embedding`",
        )?,
    };
    if texts.len() != theirs.len() {
        bail!("there are {} vectors for {} texts", theirs.len(), texts.len());
    }
    let model = ModelArgs {
        model: a.folder.display().to_string(),
        device: a.device.clone(),
        offline: true,
        yes: false,
    };
    let mut encoder = super::model::encoder(args, &model, &a.how, false)?;
    if let Some(row) = theirs.iter().position(|v| v.len() != encoder.width()) {
        bail!(
            "{}: vector {row} has {} values, those of {} have {}",
            vectors.display(),
            theirs[row].len(),
            a.folder.display(),
            encoder.width()
        );
    }
    let ours = encoder.embed(&texts)?;
    let cosines: Vec<f32> = (0..ours.len()).map(|i| cosine(ours.row(i), &theirs[i])).collect();
    let mut order: Vec<usize> = (0..cosines.len()).collect();
    order.sort_by(|&i, &j| cosines[i].total_cmp(&cosines[j]));
    let worst: Vec<usize> = order.into_iter().take(WORST).collect();
    let suspect = match worst.first() {
        Some(&i) if cosines[i] < LIMIT => {
            let failing: Vec<usize> =
                worst.iter().copied().filter(|&i| cosines[i] < LIMIT).collect();
            explain(encoder, a, &failing, &texts, &theirs)?
        }
        _ => None,
    };
    report(a, &cosines, &worst, &ours, suspect)
}

fn report(
    a: &Verify,
    cosines: &[f32],
    worst: &[usize],
    ours: &Embeddings,
    suspect: Option<String>,
) -> anyhow::Result<Outcome> {
    let n = cosines.len().max(1) as f64;
    let mean = cosines.iter().map(|&c| f64::from(c)).sum::<f64>() / n;
    let least = worst.first().map_or(1.0, |&i| cosines[i]);
    let passed = least >= LIMIT;
    let mut out = io::stdout().lock();
    if a.json {
        let rows: Vec<Value> = worst
            .iter()
            .map(|&i| json!({"row": i, "cosine": cosines[i], "tokens": ours.texts()[i].tokens}))
            .collect();
        let answer = json!({
            "rows": cosines.len(), "mean_cosine": mean, "min_cosine": least, "limit": LIMIT,
            "passed": passed, "worst": rows, "suspected": suspect, "cosines": cosines,
        });
        writeln!(out, "{answer}")?;
    } else {
        writeln!(
            out,
            "{} vectors, cosine {mean:.6} on average, at least {least:.6}",
            cosines.len()
        )?;
        for &i in worst {
            let info = ours.texts()[i];
            writeln!(
                out,
                "row {i}: cosine {:.6}, {} tokens, {} cut",
                cosines[i], info.tokens, info.cut
            )?;
        }
        if let Some(why) = suspect {
            writeln!(out, "suspected: {why}")?;
        }
        let verdict = if passed { "ok" } else { "FAILED" };
        writeln!(out, "{verdict}: {LIMIT} is expected of every row")?;
    }
    Ok(if passed { Outcome::Done } else { Outcome::No })
}

/// Tries other cuts and paddings on rows that differ; says which one agrees with the other engine.
fn explain(
    encoder: Encoder,
    a: &Verify,
    rows: &[usize],
    texts: &[String],
    theirs: &[Vec<f32>],
) -> anyhow::Result<Option<String>> {
    let most = encoder.model().max_positions();
    let own = encoder.max_length();
    let lengths = [64, 128, 256, 384, 512, 1024, 2048, 8192, most].into_iter();
    let cuts = lengths
        .filter(|&n| n <= most && n != own)
        .map(|n| (format!("the other engine cuts texts at {n} tokens"), Some(n), a.how.pad));
    let paddings = [
        ("does not pad", Policy::None),
        ("pads to the model's longest length", Policy::Max),
        ("pads to 128 tokens", Policy::Fixed(128)),
        ("pads to 512 tokens", Policy::Fixed(512)),
    ];
    let paddings = paddings
        .into_iter()
        .filter(|(_, p)| !matches!(p, Policy::Fixed(n) if *n > most))
        .map(|(what, p)| (format!("the other engine {what}"), a.how.max_length, Some(p)));
    let chosen: Vec<&String> = rows.iter().map(|&i| &texts[i]).collect();
    let mut model = encoder.into_model();
    for (what, length, padding) in cuts.chain(paddings) {
        let mut options = super::model::options(&a.how, false);
        options.text.max_length = length;
        options.text.padding = padding;
        let mut other = Encoder::new(model, options)?;
        let vectors = other.embed(&chosen)?;
        let agrees =
            rows.iter().enumerate().all(|(k, &i)| cosine(vectors.row(k), &theirs[i]) >= LIMIT);
        if agrees {
            return Ok(Some(what));
        }
        model = other.into_model();
    }
    Ok(None)
}

type Vectors = (Vec<Vec<f32>>, Option<Vec<String>>);

/// Vectors, and their texts where the file has them.
fn read(path: &Path) -> anyhow::Result<Vectors> {
    if path.extension().is_some_and(|e| e == "npy") {
        let array = npy::read(path)?;
        let [_, width] = *array.shape() else {
            bail!("{}: found shape {:?}, expected (rows, width)", path.display(), array.shape());
        };
        let rows = array.to_f32().chunks_exact(width.max(1)).map(<[f32]>::to_vec).collect();
        return Ok((rows, None));
    }
    let file =
        std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let (mut vectors, mut texts) = (Vec::new(), Vec::new());
    for (i, line) in io::BufReader::new(file).lines().enumerate() {
        let at = || format!("{}: line {}", path.display(), i + 1);
        let line = line.with_context(at)?;
        if line.trim().is_empty() {
            continue;
        }
        let value: Value = serde_json::from_str(&line).with_context(at)?;
        let vector = value.get("embedding").unwrap_or(&value).as_array();
        let vector = vector.with_context(|| format!("{}: no `embedding` list", at()))?;
        let numbers = vector.iter().map(|v| v.as_f64().map(|v| v as f32));
        let numbers: Option<Vec<f32>> = numbers.collect();
        vectors.push(numbers.with_context(|| format!("{}: not all numbers", at()))?);
        texts.extend(value.get("text").and_then(Value::as_str).map(str::to_owned));
    }
    let whole = texts.len() == vectors.len();
    Ok((vectors, whole.then_some(texts)))
}
