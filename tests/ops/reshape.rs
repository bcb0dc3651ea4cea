//! The same elements under another shape.

use m2_ir::{
    Dim, Expr, Unary,
    ops::{Elementwise, Reshape},
};

use super::check::check;

#[test]
fn through_another_shape_and_back() {
    check("reshape", |c| {
        let (a, b) = (c.random.within(1, 7), c.random.within(1, 7));
        let x = c.tokens("x", a * b);
        let split = vec![Dim::Tokens, Dim::Fixed(a), Dim::Fixed(b)];
        let y = c.g.named("split", Reshape { shape: split }, &[x]).unwrap();
        let y =
            c.g.named("tanh", Elementwise::new(Expr::input(0).unary(Unary::Tanh)), &[y]).unwrap();
        let joined = vec![Dim::Tokens, Dim::Fixed(a * b)];
        let y = c.g.named("y", Reshape { shape: joined }, &[y]).unwrap();
        c.output(y);
    });
}
