//! `m2 fill`

use std::io::{self, Write};

use m2::{Answer, FillMask, TextOptions};
use serde_json::json;

use crate::{
    args::{Args, Fill},
    exit::Outcome,
};

pub fn run(args: &Args, a: &Fill) -> anyhow::Result<Outcome> {
    let model = super::model::open(args, &a.model, false)?;
    let options = TextOptions { padding: a.pad, ..TextOptions::default() };
    let mut fill = FillMask::new(model, options)?;
    let rows = match &a.text {
        Some(text) => vec![pollster::block_on(fill.fill(text, a.top))?],
        None => {
            let ids: Vec<Vec<u32>> = a.ids.iter().map(|ids| ids.0.clone()).collect();
            pollster::block_on(fill.fill_ids(&ids, a.top))?
        }
    };
    let mut out = io::stdout().lock();
    for (i, answers) in rows.iter().enumerate() {
        if a.json {
            writeln!(out, "{}", json!({"row": i, "answers": to_json(answers)}))?;
        } else {
            print(&mut out, answers)?;
        }
    }
    Ok(Outcome::Done)
}

fn to_json(answers: &[Answer]) -> serde_json::Value {
    let answer = |a: &Answer| {
        let candidates = a.candidates.iter().map(|c| {
            json!({
                "id": c.id, "token": c.token, "logit": c.logit, "probability": c.probability,
            })
        });
        json!({"position": a.position, "candidates": candidates.collect::<Vec<_>>()})
    };
    answers.iter().map(answer).collect()
}

fn print(out: &mut dyn Write, answers: &[Answer]) -> io::Result<()> {
    for answer in answers {
        writeln!(out, "position {}", answer.position)?;
        for c in &answer.candidates {
            let token = c.token.clone().unwrap_or_else(|| format!("#{}", c.id));
            writeln!(out, "  {:>6.2} %  {token:<20} {:>9.3}", 100.0 * c.probability, c.logit)?;
        }
    }
    Ok(())
}
