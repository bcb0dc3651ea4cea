//! Reductions over one row: LayerNorm, softmax, dot product.

use super::exp::exp1;
use crate::isa::multiversion;
use crate::simd::Simd;

/// Partial sums of a reduction: fixed, so that all instruction sets add in the same order.
const PARTS: usize = 32;

multiversion! {
    /// row ← (r − mean r)/√(var r + eps) ⊙ weight + bias with r = row + residual and the biased
    /// variance, centred before it is squared.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn layer_norm(
        row: &mut [f32],
        residual: Option<&[f32]>,
        weight: &[f32],
        bias: &[f32],
        eps: f32,
    ) => layer_norm_body
}

multiversion! {
    /// Σ aᵢ bᵢ; 0 for empty slices.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn dot(a: &[f32], b: &[f32]) -> f32 => dot_body
}

multiversion! {
    /// row ← e^(rowᵢ − max)/Σ e^(rowⱼ − max).
    pub fn softmax(row: &mut [f32]) => softmax_body
}

#[inline(always)]
fn layer_norm_body<S: Simd>(
    row: &mut [f32],
    residual: Option<&[f32]>,
    weight: &[f32],
    bias: &[f32],
    eps: f32,
) {
    assert_eq!(row.len(), weight.len(), "lengths of the row and the weight");
    assert_eq!(row.len(), bias.len(), "lengths of the row and the bias");
    if let Some(residual) = residual {
        assert_eq!(row.len(), residual.len(), "lengths of the row and the residual");
        row.iter_mut().zip(residual).for_each(|(x, r)| *x += r);
    }
    if row.is_empty() {
        return;
    }
    let scale = 1.0 / row.len() as f32;
    let mean = reduce(row, |sum, x| sum + x) * scale;
    row.iter_mut().for_each(|x| *x -= mean);
    // The mean of a row far from zero is rounded: the centred row's own mean corrects it.
    let rest = reduce(row, |sum, x| sum + x) * scale;
    let square = reduce(row, |sum, x| S::mul_add(x, x, sum)) * scale;
    let variance = square - rest * rest;
    let factor = 1.0 / (variance + eps).sqrt();
    for ((x, w), b) in row.iter_mut().zip(weight).zip(bias) {
        *x = S::mul_add((*x - rest) * factor, *w, *b);
    }
}

#[inline(always)]
fn dot_body<S: Simd>(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "lengths of the two factors");
    let mut sums = [0.0; PARTS];
    let (a, a_rest) = a.as_chunks::<PARTS>();
    let (b, b_rest) = b.as_chunks::<PARTS>();
    for (a, b) in a.iter().zip(b) {
        for i in 0..PARTS {
            sums[i] = S::mul_add(a[i], b[i], sums[i]);
        }
    }
    for (i, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[i] = S::mul_add(*a, *b, sums[i]);
    }
    fold(sums)
}

#[inline(always)]
fn softmax_body<S: Simd>(row: &mut [f32]) {
    let mut largest = [f32::NEG_INFINITY; PARTS];
    let (chunks, rest) = row.as_chunks::<PARTS>();
    for chunk in chunks {
        for i in 0..PARTS {
            largest[i] = if chunk[i] > largest[i] { chunk[i] } else { largest[i] };
        }
    }
    let largest = largest.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|x| *x = exp1::<S>(*x - largest));
    let factor = 1.0 / reduce(row, |sum, x| sum + x);
    row.iter_mut().for_each(|x| *x *= factor);
}

/// Folds a row with `add` into [`PARTS`] partial sums, then those.
#[inline(always)]
fn reduce(row: &[f32], add: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0; PARTS];
    let (chunks, rest) = row.as_chunks::<PARTS>();
    for chunk in chunks {
        for i in 0..PARTS {
            sums[i] = add(sums[i], chunk[i]);
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum = add(*sum, *x);
    }
    fold(sums)
}

/// Adds the partial sums as a tree.
#[inline(always)]
fn fold(mut sums: [f32; PARTS]) -> f32 {
    let mut half = PARTS / 2;
    while half > 0 {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    sums[0]
}
