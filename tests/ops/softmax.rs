//! Softmax of the innermost axis.

use m2_ir::{
    Binary, Expr,
    ops::{Elementwise, Softmax},
};

use super::check::check_to;

#[test]
fn small_and_large_arguments() {
    for scale in [1.0, 80.0] {
        // An argument of 80 carries 80·6e-8 into the exponential.
        check_to("softmax", 1e-5, |c| {
            let width = c.random.within(1, 50);
            let x = c.tokens("x", width);
            let wide = Expr::input(0).binary(Binary::Mul, &Expr::constant(scale));
            let x = c.g.named("wide", Elementwise::new(wide), &[x]).unwrap();
            let y = c.g.named("y", Softmax, &[x]).unwrap();
            c.output(y);
        });
    }
}
