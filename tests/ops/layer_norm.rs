//! Layer normalisation, with and without a residual, on rows far from zero too.

use m2_ir::{
    Binary, Expr,
    ops::{Elementwise, LayerNorm},
};

use super::check::{check, check_to};

#[test]
fn with_and_without_residual() {
    for residual in [false, true] {
        check("layer_norm", |c| {
            let width = c.random.within(2, 70);
            let x = c.tokens("x", width);
            let mut operands = vec![x, c.weight("w", &[width], 1.0), c.weight("b", &[width], 1.0)];
            if residual {
                operands.push(c.tokens("r", width));
            }
            let y = c.g.named("y", LayerNorm { eps: 1e-12, residual }, &operands).unwrap();
            c.output(y);
        });
    }
}

/// The mean of squares minus the squared mean would lose everything here.
#[test]
fn rows_with_a_large_mean() {
    // x + 1000 itself rounds to 6e-5 of a spread of about 1.
    check_to("layer_norm mean", 3e-4, |c| {
        let width = c.random.within(20, 70);
        let x = c.tokens("x", width);
        let far = Expr::input(0).binary(Binary::Add, &Expr::constant(1e3));
        let x = c.g.named("far", Elementwise::new(far), &[x]).unwrap();
        let (w, b) = (c.weight("w", &[width], 1.0), c.weight("b", &[width], 1.0));
        let y = c.g.named("y", LayerNorm { eps: 1e-12, residual: false }, &[x, w, b]).unwrap();
        c.output(y);
    });
}
