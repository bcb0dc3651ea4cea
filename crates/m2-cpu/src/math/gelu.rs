//! The exact GELU of one value.

use crate::simd::Simd;

/// Beyond it erf is ±1 to f32's rounding: 1 − erf(3.92) = 3e-8.
const ERF_END: f32 = 3.92;

/// Numerator and denominator of erf(x) = x·P(x²)/Q(x²) on |x| ≤ 4, lowest degree first
/// (libeigen/eigen: Eigen/src/Core/MathFunctionsImpl.h, 2016–2023).
#[allow(clippy::excessive_precision)]
const ERF_P: [f32; 7] = [
    -1.60960333262415e-02,
    -2.95459980854025e-03,
    -7.34990630326855e-04,
    -5.69250639462346e-05,
    -2.10102402082508e-06,
    2.77068142495902e-08,
    -2.72614225801306e-10,
];
#[allow(clippy::excessive_precision)]
const ERF_Q: [f32; 5] = [
    -1.42647390514189e-02,
    -7.37332916720468e-03,
    -1.68282697438203e-03,
    -2.13374055278905e-04,
    -1.45660718464996e-05,
];

/// ½ x (1 + erf(x/√2)).
#[inline(always)]
pub(super) fn gelu1<S: Simd>(x: f32) -> f32 {
    0.5 * x * (1.0 + erf1::<S>(x * std::f32::consts::FRAC_1_SQRT_2))
}

#[inline(always)]
fn erf1<S: Simd>(x: f32) -> f32 {
    let s = x * x;
    let value = x * polynomial::<S, 7>(&ERF_P, s) / polynomial::<S, 5>(&ERF_Q, s);
    // Exactly ±1, or a large negative x would leave x·(1 + erf) far from 0.
    if x.abs() > ERF_END { 1.0f32.copysign(x) } else { value }
}

/// Σ c[i] sⁱ.
#[inline(always)]
pub(super) fn polynomial<S: Simd, const N: usize>(c: &[f32; N], s: f32) -> f32 {
    let mut sum = c[N - 1];
    for i in (0..N - 1).rev() {
        sum = S::mul_add(sum, s, c[i]);
    }
    sum
}
