//! Expression trees with broadcasting.

use m2_ir::{Binary, Expr, Unary, ops::Elementwise};

use super::check::check;

const UNARY: [Unary; 8] = [
    Unary::Neg,
    Unary::Gelu,
    Unary::Tanh,
    Unary::Relu,
    Unary::Sigmoid,
    Unary::Exp,
    Unary::Sqrt,
    Unary::Recip,
];
const BINARY: [Binary; 6] =
    [Binary::Add, Binary::Sub, Binary::Mul, Binary::Div, Binary::Max, Binary::Min];

#[test]
fn every_function() {
    for f in UNARY {
        check(&format!("{f:?}"), |c| {
            let width = c.random.within(1, 33);
            let x = c.tokens("x", width);
            // Into the domain of roots and reciprocals, away from their poles.
            let inner = match f {
                Unary::Sqrt | Unary::Recip => {
                    Expr::input(0).binary(Binary::Add, &Expr::constant(1.5))
                }
                _ => Expr::input(0).binary(Binary::Mul, &Expr::constant(4.0)),
            };
            let y = c.g.named("y", Elementwise::new(inner.unary(f)), &[x]).unwrap();
            c.output(y);
        });
    }
}

#[test]
fn every_pair_and_broadcast() {
    for f in BINARY {
        check(&format!("{f:?}"), |c| {
            let width = c.random.within(1, 33);
            let x = c.tokens("x", width);
            let [row, column, scalar] = [
                c.weight("row", &[width], 1.0),
                c.tokens("column", 1),
                c.weight("scalar", &[1], 1.0),
            ];
            let away = Expr::input(1).binary(Binary::Mul, &Expr::input(1));
            let away = away.binary(Binary::Add, &Expr::constant(0.5));
            for other in [row, column, scalar] {
                let op = Elementwise::new(Expr::input(0).binary(f, &away));
                let y = c.g.named("y", op, &[x, other]).unwrap();
                c.output(y);
            }
        });
    }
}

#[test]
fn chains_fuse_to_the_same_values() {
    check("chain", |c| {
        let width = c.random.within(1, 33);
        let mut x = c.tokens("x", width);
        for i in 0..c.random.within(2, 9) {
            let (f, g) = (UNARY[c.random.below(5)], BINARY[c.random.below(3)]);
            let other = match c.random.one_in(2) {
                true => c.weight(&format!("w{i}"), &[width], 1.0),
                false => c.tokens(&format!("u{i}"), width),
            };
            let op = Elementwise::new(Expr::input(0).unary(f).binary(g, &Expr::input(1)));
            x = c.g.named("step", op, &[x, other]).unwrap();
        }
        c.output(x);
    });
}
