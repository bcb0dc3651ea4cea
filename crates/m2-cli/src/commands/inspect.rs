//! `m2 inspect`

use std::io::{self, Write};

use m2::inspect::{Inspection, inspect};
use serde_json::{Map, Value, json};

use crate::{args, exit::Outcome};

pub fn run(a: &args::Inspect) -> anyhow::Result<Outcome> {
    let found = inspect(&a.path)?;
    let mut out = io::stdout().lock();
    match a.json {
        true => writeln!(out, "{}", as_json(&found))?,
        false => print(&mut out, &found)?,
    }
    Ok(Outcome::Done)
}

fn as_json(found: &Inspection) -> Value {
    let tensors: Vec<Value> = found
        .tensors
        .iter()
        .map(|t| {
            json!({
                "name": t.name, "dtype": t.dtype.name(), "shape": t.shape,
                "part": t.part.map(|p| p.name()), "alias": t.alias, "table": t.table,
            })
        })
        .collect();
    let parts: Map<String, Value> =
        found.parts.iter().map(|(p, n)| (p.name().to_owned(), json!(n))).collect();
    let differences: Vec<Value> = found
        .differences
        .iter()
        .map(|(key, config, shapes)| json!({"key": key, "config": config, "shapes": shapes}))
        .collect();
    json!({
        "file": found.file,
        "architecture": found.inferred.architecture.name(),
        "parameters": found.parameters(),
        "parts": parts,
        "bytes": found.bytes,
        "inferred": found.inferred.to_map(),
        "config": found.config.as_ref().map(|c| c.to_map()),
        "differences": differences,
        "warnings": found.warnings,
        "tensors": tensors,
    })
}

fn print(out: &mut dyn Write, found: &Inspection) -> io::Result<()> {
    let width = found.tensors.iter().map(|t| t.name.len()).max().unwrap_or(0);
    for t in &found.tensors {
        let part = match t.part {
            None => "not part of the model",
            Some(_) if t.alias => "the same tensor again",
            Some(_) if t.table => "table",
            Some(part) => part.name(),
        };
        let (name, dtype, shape) = (&t.name, t.dtype.name(), format!("{:?}", t.shape));
        writeln!(out, "{name:<width$}  {dtype:<4}  {shape:<18} {part}")?;
    }
    writeln!(out, "\n{}, {} tensors", found.inferred.architecture.name(), found.tensors.len())?;
    for (part, count) in &found.parts {
        writeln!(out, "{:<12} {:>14}", part.name(), grouped(*count))?;
    }
    writeln!(out, "{:<12} {:>14} parameters", "all", grouped(found.parameters()))?;
    writeln!(out, "{:<12} {:>14} bytes", "", grouped(found.bytes))?;
    let (inferred, config) = (found.inferred.to_map(), found.config.as_ref().map(|c| c.to_map()));
    writeln!(out, "\n{:<36} {:<22} config.json", "configuration", "by the shapes")?;
    let keys = inferred.keys().chain(config.iter().flatten().map(|(key, _)| key));
    let keys: std::collections::BTreeSet<&String> = keys.collect();
    for key in keys {
        let text = |v: Option<&Value>| v.map_or_else(|| "-".to_owned(), Value::to_string);
        let differs = found.differences.iter().any(|(k, ..)| k == key);
        let mark = if differs { "  <-" } else { "" };
        let said = text(config.as_ref().and_then(|c| c.get(key)));
        writeln!(out, "{key:<36} {:<22} {said}{mark}", text(inferred.get(key)))?;
    }
    for warning in &found.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    Ok(())
}

/// Digits in groups of three.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|g| std::str::from_utf8(g).ok()).collect();
    groups.join(",")
}
