//! Errors beside their limits.

use m2_ir::{HostTensor, plan::Fusion};

use super::report::Line;

/// How large an error may be: `10 · err_abs + relative · max|golden|`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    err_abs: f64,
    relative: f64,
}

impl Limits {
    /// For float32, where rounding alone costs the reference `err_abs`.
    pub fn f32(err_abs: f64, kernel: bool) -> Self {
        Limits { err_abs, relative: if kernel { 1e-5 } else { 2e-5 } }
    }

    /// For a single operator in float32.
    pub fn operator(err_abs: f64) -> Self {
        Limits { err_abs, relative: 2e-6 }
    }

    /// For float64.
    pub fn f64() -> Self {
        Limits { err_abs: 0.0, relative: 1e-11 }
    }

    /// The limit for a tensor whose largest magnitude is `max`.
    pub fn of(&self, max: f64) -> f64 {
        10.0 * self.err_abs + self.relative * max
    }
}

/// The largest |a − b|; infinite where either is not finite.
pub(super) fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    let difference = |(x, y): (&f64, &f64)| {
        let d = (x - y).abs();
        if d.is_finite() { d } else { f64::INFINITY }
    };
    a.iter().zip(b).map(difference).fold(0.0, f64::max)
}

/// Compares one tensor; `found` is None when its shape does not fit.
pub(super) fn line(
    name: &str,
    fusion: Fusion,
    golden: &HostTensor,
    found: Option<Vec<(usize, f64)>>,
    limits: Limits,
) -> Line {
    let expected = golden.to_f64();
    let max = expected.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let (error, compared) = match &found {
        None => (f64::INFINITY, 0),
        Some(pairs) => {
            let (ours, theirs): (Vec<f64>, Vec<f64>) =
                pairs.iter().map(|&(i, v)| (v, expected[i])).unzip();
            (largest_difference(&ours, &theirs), pairs.len())
        }
    };
    Line { name: name.into(), fusion, error, limit: limits.of(max), compared, of: expected.len() }
}
