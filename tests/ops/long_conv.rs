//! Long convolutions: every convention, every row length.

use std::rc::Rc;

use m2::Device;
use m2_ir::{
    NodeId, Sizes,
    ops::{ConvSpectrum, LongConv, ReverseLag},
    plan::Fusion,
};

use super::check::{F32, check, round_of};
use crate::support::{
    case::{Case, Fill, RowSpec, magnitude},
    random::{Random, element},
};

/// Every convention of the reverse kernel, with kernels of weights alone and of each run.
pub fn lags() -> Vec<(Option<ReverseLag>, bool)> {
    let lags = [None, Some(ReverseLag::Next), Some(ReverseLag::Current)];
    lags.into_iter().flat_map(|lag| [(lag, true), (lag, false)]).collect()
}

/// Operands of a spectrum: k, [k_rev], D.
pub fn kernels(
    c: &mut Case,
    name: &str,
    width: usize,
    reverse: Option<ReverseLag>,
    frozen: bool,
) -> Vec<NodeId> {
    let mut kernel = |part: &str| match frozen {
        true => c.filter(&format!("{name}.{part}"), width, 48),
        false => c.kernel(&format!("{name}.{part}"), width),
    };
    let mut operands = vec![kernel("k")];
    if reverse.is_some() {
        operands.push(kernel("k_rev"));
    }
    operands.push(c.weight(&format!("{name}.D"), &[width], 1.0));
    operands
}

fn conv(c: &mut Case, width: usize, reverse: Option<ReverseLag>, frozen: bool) {
    let operands = kernels(c, "k", width, reverse, frozen);
    let s = c.g.named("spectrum", ConvSpectrum { reverse, pair: false }, &operands).unwrap();
    let x = c.tokens("x", width);
    let y = c.g.named("y", LongConv, &[x, s]).unwrap();
    c.output(y);
}

#[test]
fn every_convention() {
    for (reverse, frozen) in lags() {
        check("long_conv", |c| {
            let width = c.random.within(1, 40);
            conv(c, width, reverse, frozen);
        });
    }
}

/// One row of each length, valid to its end.
fn lengths(width: usize, lengths: impl IntoIterator<Item = usize>) {
    let mut c = Case::new(11);
    conv(&mut c, width, Some(ReverseLag::Next), false);
    let ready = c.finish();
    for (key, length) in lengths.into_iter().enumerate() {
        let rows = vec![RowSpec { key, length, valid: length }];
        round_of(&format!("length {length}"), &ready, F32, &[rows]);
    }
}

#[test]
fn every_length_to_300() {
    lengths(2, 1..=300);
}

#[test]
fn around_every_power_of_two() {
    lengths(1, (9..=13).flat_map(|p| [(1 << p) - 1, 1 << p, (1 << p) + 1]));
}

/// Lengths for which the oracle's sum over all lags takes too long: some outputs are summed alone.
#[test]
fn long_rows_have_the_direct_sums() {
    let around = (14..=16).flat_map(|p| [(1 << p) - 1, 1 << p, (1 << p) + 1]);
    let lengths: Vec<usize> = around.chain([14_113]).filter(|&n| n <= 65_536).collect();
    assert_eq!(lengths.len(), 9);
    for n in lengths {
        long_row(n);
    }
}

fn long_row(n: usize) {
    let width = 2;
    let x = |t: usize, c: usize| element(21, "x", (t * 2 + c) as u64);
    let kernel = |name: &'static str| {
        move |t: usize, c: usize| {
            let decay = 1.0 + t as f64 / 64.0;
            f64::from((element(21, name, (t * 2 + c) as u64) / decay) as f32)
        }
    };
    let (k, k_rev) = (kernel("k"), kernel("k_rev"));
    let mut c = Case::new(21);
    let of_kernel = |value| Fill::Kernel { width, value };
    let mut operands = vec![c.input("k", of_kernel(Rc::new(k)))];
    operands.push(c.input("k_rev", of_kernel(Rc::new(k_rev))));
    operands.push(c.given("D", &[width], &[0.75, -1.5]));
    let spectrum = ConvSpectrum { reverse: Some(ReverseLag::Next), pair: false };
    let s = c.g.named("spectrum", spectrum, &operands).unwrap();
    let input = c.input("x", Fill::Tokens { width, value: Rc::new(move |_, t, c| x(t, c)) });
    let y = c.g.named("y", LongConv, &[input, s]).unwrap();
    c.output(y);
    let ready = c.finish();

    let rows = [RowSpec { key: 0, length: n, valid: n }];
    let device = Device::cpu(2);
    let class = Sizes { tokens: n, rows: 1, asked: 0, span: n }.class();
    let mut program = ready.load(&device, class, Fusion::Full);
    let found = ready.run(&device, &mut program, class, &rows, &[]).remove(0).meaningful(&rows);
    assert!(found.iter().all(|v| v.is_finite()), "length {n}");
    let limit = F32 * magnitude(&found);
    let mut random = Random::new(n as u32);
    let ends = [0, 1, 2, n / 2 - 1, n / 2, n / 2 + 1, n - 2, n - 1];
    let sampled: Vec<usize> = ends.into_iter().chain((0..24).map(|_| random.below(n))).collect();
    for (t, c) in sampled.into_iter().flat_map(|t| [(t, 0), (t, 1)]) {
        let before: f64 = (0..=t).map(|lag| k(lag, c) * x(t - lag, c)).sum();
        let after: f64 = (0..n - 1 - t).map(|lag| k_rev(lag, c) * x(t + 1 + lag, c)).sum();
        let sum = before + after + [0.75, -1.5][c] * x(t, c);
        let error = (found[t * width + c] - sum).abs();
        assert!(error <= limit, "length {n}, token {t}, channel {c}: {error:e} > {limit:e}");
    }
}
