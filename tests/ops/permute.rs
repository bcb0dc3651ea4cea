//! Axes in another order.

use m2_ir::{
    Dim,
    ops::{Permute, Reshape},
};

use super::check::check;

#[test]
fn axes_of_each_token() {
    check("permute", |c| {
        let (a, b) = (c.random.within(1, 7), c.random.within(1, 7));
        let x = c.tokens("x", a * b);
        let shape = |n: &[usize]| Reshape {
            shape: std::iter::once(Dim::Tokens).chain(n.iter().map(|&n| Dim::Fixed(n))).collect(),
        };
        let y = c.g.named("split", shape(&[a, b]), &[x]).unwrap();
        let y = c.g.named("turned", Permute { order: vec![0, 2, 1] }, &[y]).unwrap();
        let y = c.g.named("y", shape(&[a * b]), &[y]).unwrap();
        c.output(y);
    });
}
