//! The depthwise causal convolution with a few taps.

use m2_ir::ops::ShortConv;

use super::check::check;

#[test]
fn any_number_of_taps() {
    check("short_conv", |c| {
        let (width, taps) = (c.random.within(1, 40), c.random.within(1, 6));
        let x = c.tokens("x", width);
        let w = c.weight("w", &[width, 1, taps], 1.0);
        let b = c.weight("b", &[width], 1.0);
        let y = c.g.named("y", ShortConv { taps }, &[x, w, b]).unwrap();
        c.output(y);
    });
}
