//! `m2 graph --predict`: how long each kernel should take on cards that are not here.

use std::{collections::BTreeMap, io};

use m2_wgpu::Schedule;
use serde_json::{Value, json};

/// A card by its data sheet.
struct Card {
    name: &'static str,
    /// Bytes in a second.
    bandwidth: f64,
    /// f32 operations in a second, without tensor cores.
    flops: f64,
}

const CARDS: [Card; 2] = [
    Card { name: "H100 SXM", bandwidth: 3.35e12, flops: 66.9e12 },
    Card { name: "RTX 4090", bandwidth: 1.008e12, flops: 82.6e12 },
];

/// Share of the data sheet's bandwidth that a copy reaches.
const BANDWIDTH: f64 = 0.85;
/// Share of the data sheet's operations that register tiles reach in f32.
const TILES: f64 = 0.6;
/// The same for transforms, which add more than they multiply: the half of it.
const TRANSFORMS: f64 = 0.3;
/// Seconds between two dispatches that depend on each other.
const DISPATCH: f64 = 3e-6;

impl Card {
    fn seconds(&self, kernel: &str, flops: u64, bytes: u64) -> f64 {
        let transforms = ["sequence_mixer", "long_conv", "conv_"];
        let share = match transforms.iter().any(|t| kernel.starts_with(t)) {
            true => TRANSFORMS,
            false => TILES,
        };
        let compute = flops as f64 / (share * self.flops);
        compute.max(bytes as f64 / (BANDWIDTH * self.bandwidth)) + DISPATCH
    }
}

#[derive(Default)]
struct Row {
    dispatches: u64,
    flops: u64,
    bytes: u64,
    seconds: [f64; CARDS.len()],
}

/// Predictions by kernel and role, those of all layers together.
pub fn predict(schedule: &Schedule, tokens: usize) -> Value {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let mut total = Row::default();
    for d in &schedule.dispatches {
        let (kernel, path) = d.label.split_once(' ').unwrap_or((&d.label, ""));
        let role = path.rsplit_once('.').map_or(path, |(_, last)| last);
        let key = format!("{kernel} {role}");
        for row in [rows.entry(key).or_default(), &mut total] {
            row.dispatches += 1;
            row.flops += d.flops;
            row.bytes += d.bytes;
            for (seconds, card) in row.seconds.iter_mut().zip(&CARDS) {
                *seconds += card.seconds(kernel, d.flops, d.bytes);
            }
        }
    }
    rows.insert("~ all".into(), total);
    let lines = rows.into_iter().map(|(name, row)| {
        let times = CARDS.iter().zip(row.seconds);
        let times: serde_json::Map<String, Value> =
            times.map(|(card, s)| (card.name.to_owned(), json!(s * 1e6))).collect();
        json!({
            "kernel": name.trim_start_matches("~ "), "dispatches": row.dispatches,
            "flops": row.flops, "bytes": row.bytes, "microseconds": times,
        })
    });
    json!({ "prediction": true, "tokens": tokens, "kernels": lines.collect::<Vec<_>>() })
}

/// Prints the predictions as a table.
pub fn print(out: &mut dyn io::Write, prediction: &Value) -> io::Result<()> {
    writeln!(
        out,
        "PREDICTION, not measured: the larger of bytes / ({BANDWIDTH} of the card's bandwidth) and \
         f32 operations / ({TILES} of its peak, {TRANSFORMS} for transforms), and {} µs a dispatch.",
        DISPATCH * 1e6
    )?;
    write!(out, "{:<44} {:>5} {:>9} {:>9}", "kernel", "times", "GFLOP", "MB")?;
    for card in &CARDS {
        write!(out, " {:>12}", format!("{} µs", card.name))?;
    }
    writeln!(out)?;
    for row in prediction["kernels"].as_array().into_iter().flatten() {
        let number = |key: &str| row[key].as_f64().unwrap_or(0.0);
        let name = row["kernel"].as_str().unwrap_or_default();
        let (gflop, mb) = (number("flops") * 1e-9, number("bytes") * 1e-6);
        write!(out, "{name:<44} {:>5} {gflop:>9.2} {mb:>9.1}", number("dispatches"))?;
        for card in &CARDS {
            let us = row["microseconds"][card.name].as_f64().unwrap_or(0.0);
            write!(out, " {us:>12.1}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}
