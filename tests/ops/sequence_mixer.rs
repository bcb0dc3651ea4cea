//! M2-BERT's whole mixer between its projections.

use m2_ir::ops::{ConvSpectrum, SequenceMixer};

use super::check::check;
use super::long_conv::{kernels, lags};

#[test]
fn with_and_without_the_residual() {
    for (reverse, frozen) in lags() {
        for residual in [false, true] {
            check("sequence_mixer", |c| {
                let (width, taps) = (c.random.within(1, 37), c.random.within(1, 4));
                let mut operands = kernels(c, "first", width, reverse, frozen);
                if residual {
                    operands.extend(kernels(c, "second", width, reverse, frozen));
                }
                let spectrum = ConvSpectrum { reverse, pair: residual };
                let s = c.g.named("spectrum", spectrum, &operands).unwrap();
                let p = c.tokens("p", 3 * width);
                let w = c.weight("w", &[3 * width, 1, taps], 1.0);
                let b = c.weight("b", &[3 * width], 1.0);
                let mut operands = vec![p, w, b, s];
                if residual {
                    operands.push(c.tokens("u", width));
                }
                let y = c.g.named("y", SequenceMixer { taps, residual }, &operands).unwrap();
                c.output(y);
            });
        }
    }
}
