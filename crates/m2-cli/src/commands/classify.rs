//! `m2 classify`

use std::io::{self, BufRead, Write};

use m2::{Classes, Classifier, TextOptions};
use serde_json::json;

use crate::{
    args::{Args, Classify},
    exit::Outcome,
};

pub fn run(args: &Args, a: &Classify) -> anyhow::Result<Outcome> {
    let model = super::model::open(args, &a.model, false)?;
    let options = TextOptions { padding: a.pad, ..TextOptions::default() };
    let mut classifier = Classifier::new(model, a.pooling.map(Into::into), options)?;
    let texts = match a.texts.is_empty() && a.ids.is_empty() {
        true => io::stdin().lock().lines().collect::<Result<Vec<_>, _>>()?,
        false => a.texts.clone(),
    };
    let found = if a.ids.is_empty() {
        pollster::block_on(classifier.classify(&texts))?
    } else {
        let ids: Vec<Vec<u32>> = a.ids.iter().map(|ids| ids.0.clone()).collect();
        pollster::block_on(classifier.classify_ids(&ids))?
    };
    let mut out = io::stdout().lock();
    for (i, classes) in found.iter().enumerate() {
        if a.json {
            writeln!(out, "{}", to_json(&classifier, i, classes))?;
        } else {
            let best = classes.best();
            let percent = 100.0 * classes.probabilities().get(best).copied().unwrap_or_default();
            let text = texts.get(i).map_or("", String::as_str);
            writeln!(out, "{:<16} {percent:>6.2} %  {text}", classifier.label(best))?;
        }
    }
    Ok(Outcome::Done)
}

fn to_json(classifier: &Classifier, row: usize, classes: &Classes) -> serde_json::Value {
    let labels: Vec<String> = (0..classes.logits.len()).map(|c| classifier.label(c)).collect();
    json!({
        "row": row,
        "label": classifier.label(classes.best()),
        "labels": labels,
        "logits": classes.logits,
        "probabilities": classes.probabilities(),
    })
}
