//! The vectorised functions against f64, for every instruction set of the machine.

use super::*;
use crate::Isa;
use crate::testing::Random;

/// Runs `f` on `inputs` in slices of odd lengths; the largest error against `exact`, each divided
/// by `unit(exact value)`.
fn error(
    isa: Isa,
    inputs: &[f32],
    f: fn(Isa, &mut [f32]),
    exact: fn(f64) -> f64,
    unit: fn(f64) -> f64,
) -> f64 {
    let mut largest: f64 = 0.0;
    for part in inputs.chunks(1009) {
        let mut values = part.to_vec();
        f(isa, &mut values);
        for (x, y) in part.iter().zip(&values) {
            let exact = exact(f64::from(*x));
            let error = (f64::from(*y) - exact).abs() / unit(exact);
            assert!(error < 1.0, "{}: f({x}) = {y}, exactly {exact}", isa.name());
            largest = largest.max(error);
        }
    }
    largest
}

/// Random values of all magnitudes up to `end`, with both signs and zeros.
fn inputs(end: f32) -> Vec<f32> {
    let mut random = Random::fresh();
    let mut values = vec![0.0, -0.0, 1e-30, -1e-30, end, -end];
    for _ in 0..60_000 {
        let x = random.value(-end, end);
        let small = random.value(0.0, 1.0);
        values.extend([x, x * small * small * small]);
    }
    values
}

#[test]
fn exp_matches_f64() {
    for isa in Isa::available() {
        error(isa, &inputs(86.0), exp, f64::exp, |e| 2e-7 * e);
        let mut ends = [-87.5, -100.0, -3e38, f32::NEG_INFINITY, 88.7, 88.8, 1e9, f32::INFINITY];
        exp(isa, &mut ends);
        assert!(ends[..4].iter().all(|e| *e >= 0.0 && *e < 1e-37), "{ends:?}");
        assert!(ends[4] > 3.3e38 && ends[4] < f32::INFINITY, "{ends:?}");
        assert!(ends[5..].iter().all(|e| *e == f32::INFINITY), "{ends:?}");
    }
}

#[test]
fn tanh_matches_f64() {
    for isa in Isa::available() {
        error(isa, &inputs(12.0), tanh, f64::tanh, |_| 4e-7);
        error(isa, &inputs(1e-3), tanh, f64::tanh, |e| 5e-7 * e.abs() + 1e-37);
    }
}

#[test]
fn sine_matches_f64() {
    for isa in Isa::available() {
        for end in [3.5, 100.0, 20000.0] {
            error(isa, &inputs(end), sin, f64::sin, |_| 2e-7);
        }
    }
}

fn exact_gelu(x: f64) -> f64 {
    // erfc keeps the digits of the negative tail.
    0.5 * x * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

#[test]
fn gelu_matches_f64() {
    for isa in Isa::available() {
        // erf within 5e-7: gelu(x) = ½x(1 + erf) within half of that times |x|, and the rounding
        // of the value itself.
        for end in [1.0, 4.0] {
            error(isa, &inputs(end), gelu, exact_gelu, |e| 1e-6 + 1.2e-7 * e.abs());
        }
        error(isa, &inputs(50.0), gelu, exact_gelu, |e| 2e-6 + 1.2e-7 * e.abs());
        let mut far = [-8.0, -1e6, -3e38, 1e6, 3e38];
        gelu(isa, &mut far);
        assert!(far[..3].iter().all(|y| *y == 0.0), "{far:?}");
        assert_eq!(far[3..], [1e6, 3e38]);
    }
}

#[test]
fn erf_error_is_below_the_bound() {
    for isa in Isa::available() {
        for mut part in inputs(8.0).chunks(999).map(<[f32]>::to_vec) {
            let exact: Vec<f64> =
                part.iter().map(|x| libm::erf(f64::from(*x) * 0.5f64.sqrt())).collect();
            let before = part.clone();
            gelu(isa, &mut part);
            for ((x, y), erf) in before.iter().zip(&part).zip(exact) {
                if x.abs() > 1e-3 {
                    // 5e-7 of erf itself, and what rounding 1 + erf and the product leaves.
                    let found = 2.0 * f64::from(*y) / f64::from(*x) - 1.0;
                    assert!(
                        (found - erf).abs() < 5e-7 + 2e-7,
                        "{}: erf({x}/√2) {found}",
                        isa.name()
                    );
                }
            }
        }
    }
}

#[test]
fn not_a_number_passes_through() {
    for isa in Isa::available() {
        for f in [exp, tanh, sin, gelu] {
            let mut values = vec![f32::NAN; 37];
            f(isa, &mut values);
            assert!(values.iter().all(|v| v.is_nan()));
        }
        let mut row = vec![1.0; 40];
        row[33] = f32::NAN;
        softmax(isa, &mut row);
        assert!(row.iter().all(|v| v.is_nan()));
    }
}

#[test]
fn pairs_of_slices() {
    let mut random = Random::fresh();
    for isa in Isa::available() {
        let (a, b) = (random.values(77), random.values(77));
        let mut product = a.clone();
        mul(isa, &mut product, &b);
        let mut sum = a.clone();
        add(isa, &mut sum, &b);
        let mut gated = a.clone();
        gelu_mul(isa, &mut gated, &b);
        for i in 0..a.len() {
            assert_eq!(product[i], a[i] * b[i]);
            assert_eq!(sum[i], a[i] + b[i]);
            let expected = exact_gelu(f64::from(a[i])) * f64::from(b[i]);
            assert!((f64::from(gated[i]) - expected).abs() < 1e-6);
        }
    }
}

#[test]
fn layer_norm_matches_f64() {
    let mut random = Random::fresh();
    for isa in Isa::available() {
        for len in [1, 2, 31, 33, 768, 1000] {
            for (offset, spread) in [(0.0, 1.0), (1e3, 1.0), (-1e3, 0.5), (0.0, 1e-4), (5.0, 0.0)] {
                let x: Vec<f32> = random.values(len).iter().map(|v| offset + spread * v).collect();
                let residual = random.values(len);
                let (weight, bias) = (random.values(len), random.values(len));
                for residual in [None, Some(&residual[..])] {
                    let mut row = x.clone();
                    layer_norm(isa, &mut row, residual, &weight, &bias, 1e-5);
                    let r = |i: usize| {
                        // The sum with the residual is rounded to f32 by definition.
                        f64::from(residual.map_or(x[i], |r| x[i] + r[i]))
                    };
                    let mean = (0..len).map(r).sum::<f64>() / len as f64;
                    let variance =
                        (0..len).map(|i| (r(i) - mean).powi(2)).sum::<f64>() / len as f64;
                    for i in 0..len {
                        let exact = (r(i) - mean) / (variance + 1e-5).sqrt() * f64::from(weight[i])
                            + f64::from(bias[i]);
                        let error = (f64::from(row[i]) - exact).abs();
                        assert!(error < 3e-6, "{} {len} {offset} {error:e}", isa.name());
                    }
                }
            }
        }
        layer_norm(isa, &mut [], None, &[], &[], 1e-5);
    }
}

#[test]
fn dot_and_softmax_match_f64() {
    let mut random = Random::fresh();
    for isa in Isa::available() {
        for len in [0, 1, 31, 32, 33, 100, 769] {
            let (a, b) = (random.values(len), random.values(len));
            let exact: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!((f64::from(dot(isa, &a, &b)) - exact).abs() < 1e-5);
            for scale in [1.0, 80.0, 1e4] {
                let x: Vec<f32> = a.iter().map(|v| v * scale).collect();
                let mut row = x.clone();
                softmax(isa, &mut row);
                let largest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let terms = x.iter().map(|v| f64::from(v - largest).exp());
                let sum: f64 = terms.clone().sum();
                for (found, term) in row.iter().zip(terms) {
                    assert!((f64::from(*found) - term / sum).abs() < 1e-6);
                }
            }
        }
    }
}

#[test]
fn fused_sets_give_the_same_bits() {
    let mut random = Random::fresh();
    let x = random.values(333);
    let run = |isa: Isa| {
        let mut all = Vec::new();
        for f in [exp, tanh, sin, gelu, softmax] {
            let mut values = x.clone();
            f(isa, &mut values);
            all.extend(values);
        }
        let mut row = x.clone();
        layer_norm(isa, &mut row, Some(&x), &x, &x, 1e-5);
        all.extend(row);
        all.push(dot(isa, &x, &x));
        all
    };
    let fused: Vec<_> = Isa::available().into_iter().filter(|i| *i != Isa::Portable).collect();
    for pair in fused.windows(2) {
        assert!(run(pair[0]) == run(pair[1]), "{} and {}", pair[0].name(), pair[1].name());
    }
}
