//! Long convolutions: every convention, every row length.

use m2_ir::{
    NodeId,
    ops::{ConvSpectrum, LongConv, ReverseLag},
};

use super::check::{F32, check, round_of};
use crate::support::case::{Case, RowSpec};

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
