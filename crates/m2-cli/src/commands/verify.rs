//! `m2 verify`

use std::io::Write;

use anyhow::bail;
use m2::verify::{Arithmetic, Golden, Report};
use serde_json::{Value, json};

use crate::{
    args::{Args, Verify, VerifyDType},
    exit::Outcome,
};

pub fn run(args: &Args, a: &Verify) -> anyhow::Result<Outcome> {
    if let Some(vectors) = &a.vectors {
        return super::verify_vectors::run(args, a, vectors);
    }
    let golden = Golden::open(&a.folder)?;
    for warning in &golden.weights.warnings {
        eprintln!("m2: {warning}");
    }
    let report = match (a.dtype, a.device.as_str()) {
        (VerifyDType::F32, device) => {
            let device = super::device::open(args, device)?;
            pollster::block_on(golden.verify(Arithmetic::F32(&device), &a.skip))?
        }
        (VerifyDType::F64, "cpu") => pollster::block_on(golden.verify(Arithmetic::F64, &a.skip))?,
        (VerifyDType::F64, other) => bail!("f64 runs on --device cpu only, found {other}"),
    };
    let mut out = std::io::stdout();
    match a.json {
        true => writeln!(out, "{}", to_json(&report))?,
        false => write!(out, "{report}")?,
    }
    Ok(if report.passed() { Outcome::Done } else { Outcome::No })
}

fn to_json(report: &Report) -> Value {
    let lines: Vec<Value> = report
        .lines
        .iter()
        .map(|l| {
            json!({
                "tensor": l.name, "plan": l.plan(), "error": l.error, "limit": l.limit,
                "passed": l.passed(), "compared": l.compared, "of": l.of,
            })
        })
        .collect();
    json!({
        "passed": report.passed(), "compared": report.compared(), "outputs": report.outputs(),
        "lines": lines, "unknown": report.unknown, "excepted": report.excepted,
    })
}
