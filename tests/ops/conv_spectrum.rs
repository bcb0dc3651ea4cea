//! Spectra: one of a pair serves as its two halves do, whatever their numbers are.

use m2_ir::ops::{ConvSpectrum, LongConv};

use super::check::check;
use super::long_conv::{kernels, lags};

/// A spectrum is each backend's own affair, so it is looked at through a convolution that reads it
/// twice.
#[test]
fn serves_two_readers() {
    for (reverse, frozen) in lags() {
        check("conv_spectrum", |c| {
            let width = c.random.within(1, 20);
            let operands = kernels(c, "k", width, reverse, frozen);
            let s = c.g.named("s", ConvSpectrum { reverse, pair: false }, &operands).unwrap();
            for name in ["x", "u"] {
                let x = c.tokens(name, width);
                let y = c.g.named("y", LongConv, &[x, s]).unwrap();
                c.output(y);
            }
        });
    }
}
