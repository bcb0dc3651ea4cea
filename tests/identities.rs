//! Identities of Monarch matrices and convolutions (m2-theory.md 2–5), through the op set, in f64.

use std::{f64::consts::PI, rc::Rc};

use m2_ir::{
    NodeId,
    ops::{ConvSpectrum, LongConv, MatMul, Monarch, ReverseLag},
};
use proptest::prelude::*;

use crate::support::{
    case::{Case, Fill, RowSpec, difference, magnitude},
    random::element,
};

/// Weights are f32, hence the bound: the tables' own rounding is in both sides where it can be.
const EXACT: f64 = 1e-12;

fn one_row(length: usize) -> [RowSpec; 1] {
    [RowSpec { key: 0, length, valid: length }]
}

fn vector(seed: u32, name: &str, n: usize) -> Vec<f64> {
    (0..n as u64).map(|i| element(seed, name, i)).collect()
}

/// `x` as a batch of one token.
fn token(c: &mut Case, x: &[f64]) -> NodeId {
    let (x, width) = (x.to_vec(), x.len());
    c.input("x", Fill::Tokens { width, value: Rc::new(move |_, _, i| x[i]) })
}

/// `x` as a row of tokens of width 1.
fn row(c: &mut Case, name: &str, x: &[f64]) -> NodeId {
    let x = x.to_vec();
    c.input(name, Fill::Tokens { width: 1, value: Rc::new(move |_, t, _| x[t]) })
}

fn kernel(c: &mut Case, name: &str, k: &[f64]) -> NodeId {
    let k = k.to_vec();
    let value = move |t: usize, _: usize| k.get(t).copied().unwrap_or(0.0);
    c.input(name, Fill::Kernel { width: 1, value: Rc::new(value) })
}

/// y of x under a long convolution with these kernels.
fn conv(x: &[f64], k: &[f64], k_rev: Option<(&[f64], ReverseLag)>, d: f32) -> Vec<f64> {
    let mut c = Case::new(0);
    let signal = row(&mut c, "x", x);
    let mut operands = vec![kernel(&mut c, "k", k)];
    operands.extend(k_rev.map(|(k, _)| kernel(&mut c, "k_rev", k)));
    operands.push(c.given("D", &[1], &[d]));
    let op = ConvSpectrum { reverse: k_rev.map(|k| k.1), pair: false };
    let s = c.g.named("s", op, &operands).unwrap();
    let y = c.g.named("y", LongConv, &[signal, s]).unwrap();
    c.output(y);
    let rows = one_row(x.len());
    c.finish().oracle(&rows, &[])[0].meaningful(&rows)
}

fn agree(a: &[f64], b: &[f64], bound: f64) -> Result<(), TestCaseError> {
    let (error, limit) = (difference(a, b), bound * magnitude(b).max(1.0));
    prop_assert!(error <= limit, "{:e} > {:e}", error, limit);
    Ok(())
}

/// The DFT's factors as real Monarch factors: the middle and the result hold real parts, then
/// imaginary ones. `L_k[a, i] = w_N^{ak} w_b^{ai}`, `R_a[c, k] = w_b^{ck}` (m2-theory.md 4.2).
fn dft_factors(b: usize) -> (Vec<f32>, Vec<f32>) {
    let n = b * b;
    let turn = |p: usize, n: usize| {
        let angle = -2.0 * PI * (p % n) as f64 / n as f64;
        (angle.cos(), angle.sin())
    };
    let mut w1 = vec![0.0; b * 2 * b * b];
    let mut w2 = vec![0.0; b * 2 * b * 2 * b];
    for (k, a) in (0..b).flat_map(|k| (0..b).map(move |a| (k, a))) {
        for i in 0..b {
            let (re, im) = turn(a * k + b * a * i, n);
            w1[((k * 2 * b) + a) * b + i] = re as f32;
            w1[((k * 2 * b) + b + a) * b + i] = im as f32;
        }
        for c in 0..b {
            let (re, im) = turn(c * k, b);
            let at = |part: usize, of: usize| ((a * 2 * b) + part * b + c) * 2 * b + 2 * k + of;
            w2[at(0, 0)] = re as f32;
            w2[at(0, 1)] = -im as f32;
            w2[at(1, 0)] = im as f32;
            w2[at(1, 1)] = re as f32;
        }
    }
    (w1, w2)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_dft_is_a_monarch_matrix(seed: u32, b in 1usize..9) {
        let n = b * b;
        let x = vector(seed, "x", n);
        let (w1, w2) = dft_factors(b);
        let mut c = Case::new(0);
        let input = token(&mut c, &x);
        let w1 = c.given("w1", &[b, 2 * b, b], &w1);
        let w2 = c.given("w2", &[b, 2 * b, 2 * b], &w2);
        let y = c.g.named("y", Monarch { permute_input: true }, &[input, w1, w2]).unwrap();
        c.output(y);
        let rows = one_row(1);
        let found = c.finish().oracle(&rows, &[])[0].meaningful(&rows);
        let part = |f: fn(f64) -> f64, m: usize| -> f64 {
            x.iter().enumerate().map(|(t, v)| v * f(-2.0 * PI * ((t * m) % n) as f64 / n as f64)).sum()
        };
        let expected: Vec<f64> = (0..n).map(|m| part(f64::cos, m))
            .chain((0..n).map(|m| part(f64::sin, m))).collect();
        // The factors are stored in f32: 6e-8 each, n terms.
        agree(&found, &expected, 2e-7 * (n as f64).sqrt())?;
    }

    #[test]
    fn a_kronecker_product_is_a_monarch_matrix(
        seed: u32, (ar, ac, br, bc) in (1usize..6, 1usize..6, 1usize..6, 1usize..6),
    ) {
        // M[σ·l + λ, κ·p + π] = B[σ, κ]·A[λ, π] with w1[κ, λ, π] = A, w2[λ, σ, κ] = B.
        let (a, b) = (vector(seed, "a", ar * ac), vector(seed, "b", br * bc));
        let x = vector(seed, "x", bc * ac);
        let mut c = Case::new(0);
        let input = token(&mut c, &x);
        let f = |v: &[f64]| -> Vec<f32> { v.iter().map(|v| *v as f32).collect() };
        let w1 = c.given("w1", &[bc, ar, ac], &f(&a).repeat(bc));
        let w2 = c.given("w2", &[ar, br, bc], &f(&b).repeat(ar));
        let y = c.g.named("y", Monarch { permute_input: false }, &[input, w1, w2]).unwrap();
        c.output(y);
        let rows = one_row(1);
        let found = c.finish().oracle(&rows, &[])[0].meaningful(&rows);
        let mut expected = vec![0.0; br * ar];
        for (i, y) in expected.iter_mut().enumerate() {
            for (j, x) in x.iter().enumerate() {
                *y += b[i / ar * bc + j / ac] * a[i % ar * ac + j % ac] * x;
            }
        }
        agree(&found, &expected, EXACT)?;
    }

    #[test]
    fn the_hadamard_transform_is_a_monarch_matrix(seed: u32, p in 0u32..4, q in 0u32..4) {
        let entry = |i: usize, j: usize| if (i & j).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
        let (a, b) = (1usize << p, 1usize << q);
        let table = |n: usize| -> Vec<f32> {
            (0..n * n).map(|i| entry(i / n, i % n) as f32).collect()
        };
        let x = vector(seed, "x", a * b);
        let mut c = Case::new(0);
        let input = token(&mut c, &x);
        let w1 = c.given("w1", &[b, a, a], &table(a).repeat(b));
        let w2 = c.given("w2", &[a, b, b], &table(b).repeat(a));
        let y = c.g.named("y", Monarch { permute_input: false }, &[input, w1, w2]).unwrap();
        c.output(y);
        let rows = one_row(1);
        let found = c.finish().oracle(&rows, &[])[0].meaningful(&rows);
        let expected: Vec<f64> = (0..a * b)
            .map(|i| x.iter().enumerate().map(|(j, v)| entry(i, j) * v).sum())
            .collect();
        agree(&found, &expected, EXACT)?;
    }

    #[test]
    fn a_toeplitz_matrix_is_a_long_convolution(seed: u32, n in 1usize..60) {
        let (x, k, r) = (vector(seed, "x", n), vector(seed, "k", n), vector(seed, "r", n));
        let lag = |t: usize, s: usize| if s <= t { k[t - s] } else { r[s - t - 1] };
        let dense: Vec<f32> = (0..n * n).map(|i| lag(i / n, i % n) as f32).collect();
        let mut c = Case::new(0);
        let input = token(&mut c, &x);
        let w = c.given("w", &[n, n], &dense);
        let y = c.g.named("y", MatMul::linear(), &[input, w]).unwrap();
        c.output(y);
        let rows = one_row(1);
        let expected = c.finish().oracle(&rows, &[])[0].meaningful(&rows);
        agree(&conv(&x, &k, Some((&r, ReverseLag::Next)), 0.0), &expected, EXACT)?;
    }

    #[test]
    fn a_circulant_matrix_is_a_long_convolution(seed: u32, n in 1usize..60) {
        // Lag −m of a circulant of size n is lag n − m.
        let (x, k) = (vector(seed, "x", n), vector(seed, "k", n));
        let r: Vec<f64> = (1..=n).map(|m| k[(n - m) % n]).collect();
        let expected: Vec<f64> =
            (0..n).map(|t| (0..n).map(|s| k[(n + t - s) % n] * x[s]).sum()).collect();
        agree(&conv(&x, &k, Some((&r, ReverseLag::Next)), 0.0), &expected, EXACT)?;
    }

    #[test]
    fn causal_is_bidirectional_without_a_reverse_kernel(seed: u32, n in 1usize..60) {
        let (x, k) = (vector(seed, "x", n), vector(seed, "k", n));
        let zero = vec![0.0; n];
        let both = conv(&x, &k, Some((&zero, ReverseLag::Next)), 0.5);
        agree(&conv(&x, &k, None, 0.5), &both, 0.0)?;
    }

    #[test]
    fn the_two_conventions_differ_by_one_lag(seed: u32, n in 2usize..60) {
        let (x, k, r) = (vector(seed, "x", n), vector(seed, "k", n), vector(seed, "r", n));
        let current = conv(&x, &k, Some((&r, ReverseLag::Current)), 0.0);
        // Lag 0 is counted twice; the rest of the reverse kernel starts one later.
        let mut k0 = k.clone();
        k0[0] = f64::from((k0[0] + r[0]) as f32);
        let next = conv(&x, &k0, Some((&r[1..], ReverseLag::Next)), 0.0);
        agree(&current, &next, 1e-7)?;
    }

    #[test]
    fn an_impulse_shows_the_kernels(seed: u32, n in 1usize..60, at in 0usize..60) {
        let at = at % n;
        let (k, r) = (vector(seed, "k", n), vector(seed, "r", n));
        let mut x = vec![0.0; n];
        x[at] = 1.0;
        let y = conv(&x, &k, Some((&r, ReverseLag::Next)), 0.25);
        let expected: Vec<f64> = (0..n)
            .map(|t| match t.cmp(&at) {
                std::cmp::Ordering::Less => r[at - t - 1],
                std::cmp::Ordering::Equal => k[0] + 0.25,
                std::cmp::Ordering::Greater => k[t - at],
            })
            .collect();
        agree(&y, &expected, EXACT)?;
    }

    #[test]
    fn convolution_is_commutative_where_causal(seed: u32, n in 1usize..60) {
        let (x, k) = (vector(seed, "x", n), vector(seed, "k", n));
        agree(&conv(&x, &k, None, 0.0), &conv(&k, &x, None, 0.0), EXACT)?;
    }
}
