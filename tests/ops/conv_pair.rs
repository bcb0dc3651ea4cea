//! Two long convolutions as one transform pair, with the post-gate.

use m2_ir::ops::{ConvPair, ConvSpectrum};

use super::check::check;
use super::long_conv::{kernels, lags};

#[test]
fn is_two_convolutions_and_a_gate() {
    for (reverse, frozen) in lags() {
        check("conv_pair", |c| {
            let width = c.random.within(1, 37);
            let mut operands = kernels(c, "first", width, reverse, frozen);
            operands.extend(kernels(c, "second", width, reverse, frozen));
            let spectrum = ConvSpectrum { reverse, pair: true };
            let s = c.g.named("spectrum", spectrum, &operands).unwrap();
            let [a, u, gate] = ["a", "u", "gate"].map(|name| c.tokens(name, width));
            let y = c.g.named("y", ConvPair, &[a, u, gate, s]).unwrap();
            c.output(y);
        });
    }
}
