//! `fftconv_*` and `shortconv_*` (m2-bert.md 3.1, 3.2).

use m2_ir::ops::{ConvSpectrum, LongConv, ReverseLag, ShortConv};

use super::{Arrange, Expected, as_kernel, as_rows, as_weight, files, run};
use crate::support::case::Case;

#[test]
pub fn golden_fftconv() {
    for file in files("fftconv_") {
        let mut c = Case::new(0);
        let (x, rows) = as_rows(&mut c, &file, "in.u");
        let mut operands = vec![as_kernel(&mut c, &file, "in.k")];
        let bidirectional = file.params["bidirectional"].as_bool().unwrap_or(false);
        if bidirectional {
            operands.push(as_kernel(&mut c, &file, "in.k_rev"));
        }
        operands.push(as_weight(&mut c, &file, "in.D", None));
        let reverse = bidirectional.then_some(ReverseLag::Next);
        let spectrum = ConvSpectrum { reverse, pair: false };
        let s = c.g.named("spectrum", spectrum, &operands).unwrap();
        let node = c.g.named("y", LongConv, &[x, s]).unwrap();
        let y = Expected { tensor: "out.y".into(), node, arrange: Arrange::Channels };
        run(&file, c, &rows, vec![y], false);
    }
}

#[test]
pub fn golden_shortconv() {
    for file in files("shortconv_") {
        let mut c = Case::new(0);
        let (x, rows) = as_rows(&mut c, &file, "in.x");
        let w = as_weight(&mut c, &file, "in.weight", None);
        let b = as_weight(&mut c, &file, "in.bias", None);
        let taps = *file.get("in.weight").shape().last().unwrap();
        let node = c.g.named("y", ShortConv { taps }, &[x, w, b]).unwrap();
        let y = Expected { tensor: "out.y".into(), node, arrange: Arrange::Channels };
        run(&file, c, &rows, vec![y], false);
    }
}
