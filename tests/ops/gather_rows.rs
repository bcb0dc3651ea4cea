//! Taking first tokens and asked positions.

use m2_ir::{
    Expr, Unary,
    ops::{Elementwise, GatherRows, Which},
};

use super::check::check;

#[test]
fn first_and_asked() {
    check("gather_rows", |c| {
        let width = c.random.within(1, 19);
        let x = c.tokens("x", width);
        let y = c.g.named("y", Elementwise::new(Expr::input(0).unary(Unary::Tanh)), &[x]).unwrap();
        for which in [Which::First, Which::Asked] {
            let taken = c.g.named("taken", GatherRows { which }, &[y]).unwrap();
            c.output(taken);
        }
    });
}
