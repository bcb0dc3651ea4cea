//! The element-wise functions on slices.

use super::exp::{exp1, sin1, tanh1};
use super::gelu::gelu1;
use crate::isa::multiversion;
use crate::simd::Simd;

multiversion! {
    /// x ← e^x, relative error below 2e-7; results below 1e-37 become 0.
    pub fn exp(x: &mut [f32]) => exp_body
}

multiversion! {
    /// x ← tanh x, error below 4e-7.
    pub fn tanh(x: &mut [f32]) => tanh_body
}

multiversion! {
    /// x ← sin x, error below 2e-7 for |x| ≤ 20000.
    pub fn sin(x: &mut [f32]) => sin_body
}

multiversion! {
    /// x ← ½ x (1 + erf(x/√2)), the exact GELU; erf's error is below 5e-7.
    pub fn gelu(x: &mut [f32]) => gelu_body
}

multiversion! {
    /// g ← gelu(g) ⊙ h.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn gelu_mul(g: &mut [f32], h: &[f32]) => gelu_mul_body
}

multiversion! {
    /// x ← x + y.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn add(x: &mut [f32], y: &[f32]) => add_body
}

multiversion! {
    /// x ← x ⊙ y.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn mul(x: &mut [f32], y: &[f32]) => mul_body
}

#[inline(always)]
fn exp_body<S: Simd>(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = exp1::<S>(*x));
}

#[inline(always)]
fn tanh_body<S: Simd>(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = tanh1::<S>(*x));
}

#[inline(always)]
fn sin_body<S: Simd>(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = sin1::<S>(*x));
}

#[inline(always)]
fn gelu_body<S: Simd>(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = gelu1::<S>(*x));
}

#[inline(always)]
fn gelu_mul_body<S: Simd>(g: &mut [f32], h: &[f32]) {
    assert_eq!(g.len(), h.len(), "lengths of the two factors");
    g.iter_mut().zip(h).for_each(|(g, h)| *g = gelu1::<S>(*g) * h);
}

#[inline(always)]
fn add_body<S: Simd>(x: &mut [f32], y: &[f32]) {
    assert_eq!(x.len(), y.len(), "lengths of the two terms");
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

#[inline(always)]
fn mul_body<S: Simd>(x: &mut [f32], y: &[f32]) {
    assert_eq!(x.len(), y.len(), "lengths of the two factors");
    x.iter_mut().zip(y).for_each(|(x, y)| *x *= y);
}
