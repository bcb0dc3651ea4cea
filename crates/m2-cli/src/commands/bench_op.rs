//! `m2 bench op`

use std::io::{self, Write};

use anyhow::bail;
use m2::{
    Device,
    bench::{Ceilings, OpRun, case, ceilings, interleave, median, shortened},
};
use m2_ir::{
    ops::{Activation, Epilogue},
    plan::Fusion,
};
use serde_json::{Value, json};

use crate::{
    args::{Args, BenchEpilogue, BenchOp},
    exit::Outcome,
};

pub fn run(args: &Args, a: &BenchOp) -> anyhow::Result<Outcome> {
    if a.rounds == 0 {
        bail!("--rounds begins at 1");
    }
    if a.kernels.norms_in_products {
        bail!(
            "one op has no layer norm between products; --norms-in-products is for bench forward"
        );
    }
    if a.suite {
        return suite(args, a);
    }
    let device = super::device::open_with(args, &a.device, &a.kernels)?;
    pollster::block_on(time(a, &device))
}

async fn time(a: &BenchOp, device: &Device) -> anyhow::Result<Outcome> {
    let epilogue = epilogue(&a.epilogue);
    let fusion = if a.unfused { Fusion::None } else { Fusion::Full };
    let error = match a.check {
        true => {
            let shape = shortened(&a.op, &a.shape, epilogue, &device.target())?;
            let error = case(&a.op, &shape, epilogue)?.check(device, fusion).await?;
            Some((shape, error))
        }
        false => None,
    };
    let most = ceilings(device).await?;
    let mut runs = [OpRun::new(device, &case(&a.op, &a.shape, epilogue)?, fusion).await?];
    let seconds = interleave(&mut runs, a.rounds).await?.concat();
    let answer = answer(a, device, &runs[0], &seconds, most, error);
    let mut out = io::stdout();
    match a.json {
        true => writeln!(out, "{answer}")?,
        false => print(&mut out, &answer)?,
    }
    Ok(Outcome::Done)
}

fn answer(
    a: &BenchOp,
    device: &Device,
    run: &OpRun<'_>,
    seconds: &[f64],
    most: Ceilings,
    error: Option<(Vec<usize>, f64)>,
) -> Value {
    let middle = median(seconds);
    let (flops, bytes) = (run.flops as f64 / middle * 1e-9, run.bytes as f64 / middle * 1e-9);
    let (checked, error) = error.unzip();
    json!({
        "op": a.op,
        "shape": a.shape,
        "device": device.to_string(),
        "variant": a.kernels.variant,
        "checked_shape": checked,
        "error": error,
        "rounds": seconds.len(),
        "median_ms": middle * 1e3,
        "min_ms": seconds.iter().fold(f64::INFINITY, |m, s| m.min(*s)) * 1e3,
        "gflops": flops,
        "gb_per_s": bytes,
        "fma_ceiling_gflops": most.multiply_adds,
        "copy_ceiling_gb_per_s": most.copy,
        "share_of_fma": flops / most.multiply_adds,
        "share_of_copy": bytes / most.copy,
    })
}

fn print(out: &mut dyn Write, r: &Value) -> io::Result<()> {
    let number = |key: &str| r[key].as_f64().unwrap_or(f64::NAN);
    if let Some(error) = r["error"].as_f64() {
        writeln!(out, "error {error:.1e} of the largest value, shape {}", r["checked_shape"])?;
    }
    writeln!(
        out,
        "{} {} on {}: median {:.3} ms  min {:.3} ms",
        r["op"].as_str().unwrap_or_default(),
        r["shape"],
        r["device"].as_str().unwrap_or_default(),
        number("median_ms"),
        number("min_ms"),
    )?;
    let line = |value, unit, share, ceiling, what| {
        let (value, share, ceiling) = (number(value), 100.0 * number(share), number(ceiling));
        format!("{value:>10.2} {unit:<8} {share:>5.1} % of {ceiling:.1} ({what})")
    };
    let what = "multiply-adds in registers";
    writeln!(out, "{}", line("gflops", "GFLOP/s", "share_of_fma", "fma_ceiling_gflops", what))?;
    let what = "a copy of 64 MiB";
    writeln!(out, "{}", line("gb_per_s", "GB/s", "share_of_copy", "copy_ceiling_gb_per_s", what))
}

fn epilogue(parts: &[BenchEpilogue]) -> Epilogue {
    let has = |part| parts.contains(&part);
    let activation = match (has(BenchEpilogue::Gelu), has(BenchEpilogue::Tanh)) {
        (true, _) => Activation::Gelu,
        (false, true) => Activation::Tanh,
        (false, false) => Activation::None,
    };
    Epilogue {
        bias: has(BenchEpilogue::Bias),
        activation,
        glu: has(BenchEpilogue::Glu),
        residual: has(BenchEpilogue::Residual),
    }
}

#[cfg(feature = "gpu")]
fn suite(args: &Args, a: &BenchOp) -> anyhow::Result<Outcome> {
    if a.op != "matmul" || a.device == "cpu" {
        bail!("--suite is for matmul on a GPU or software adapter: add --device gpu");
    }
    let mut rows = Vec::new();
    let mut out = io::stdout();
    let mut printed = Ok(());
    if !a.json {
        writeln!(
            out,
            "{:<32} {:>6} {:>9} {:>9} {:>9} {:>7}",
            "product", "tokens", "ours ms", "rows8 ms", "naive ms", "ratio"
        )?;
    }
    let done = |r: &m2::bench::SuiteRow| {
        let naive = r.naive.map(|s| format!("{:.2}", s * 1e3)).unwrap_or_default();
        let (ours, rows8) = (r.ours * 1e3, r.rows8 * 1e3);
        rows.push(json!({
            "product": r.name,
            "tokens": r.tokens,
            "ours_ms": ours,
            "rows8_ms": rows8,
            "naive_ms": r.naive.map(|s| s * 1e3),
            "ours_gflops": r.gflop / r.ours,
            "ratio": r.ratio,
        }));
        if !a.json && printed.is_ok() {
            let (name, tokens, ratio) = (&r.name, r.tokens, r.ratio);
            printed = writeln!(
                io::stdout(),
                "{name:<32} {tokens:>6} {ours:>9.2} {rows8:>9.2} {naive:>9} {ratio:>7.2}"
            );
        }
    };
    let device = super::device::options(args, &a.device, &a.kernels)?;
    pollster::block_on(m2::bench::suite(device, a.rounds, done))?;
    printed?;
    if a.json {
        writeln!(out, "{}", Value::Array(rows))?;
    }
    Ok(Outcome::Done)
}

#[cfg(not(feature = "gpu"))]
fn suite(args: &Args, a: &BenchOp) -> anyhow::Result<Outcome> {
    super::device::open_with(args, &a.device, &a.kernels).map(|_| Outcome::Done)
}
