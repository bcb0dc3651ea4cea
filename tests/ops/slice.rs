//! A contiguous part of the width.

use m2_ir::{
    Expr, Unary,
    ops::{Elementwise, Slice},
};

use super::check::check;

#[test]
fn parts_of_the_width() {
    check("slice", |c| {
        let width = c.random.within(1, 19);
        let x = c.tokens("x", width);
        let y = c.g.named("y", Elementwise::new(Expr::input(0).unary(Unary::Tanh)), &[x]).unwrap();
        for _ in 0..3 {
            let start = c.random.below(width);
            let len = c.random.within(1, width - start);
            let part = c.g.named("part", Slice { axis: 1, start, len }, &[y]).unwrap();
            c.output(part);
            // A part of a part is a part of the whole.
            let inner = Slice { axis: 1, start: len / 2, len: len - len / 2 };
            let inner = c.g.named("inner", inner, &[part]).unwrap();
            let y = Elementwise::new(Expr::input(0).unary(Unary::Neg));
            let read = c.g.named("read", y, &[inner]).unwrap();
            c.output(read);
        }
    });
}
