//! Sums, means and maxima.

use m2_ir::ops::{Reduce, ReduceKind};

use super::check::check;

#[test]
fn every_kind() {
    for kind in [ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max, ReduceKind::SumSquares] {
        check("reduce", |c| {
            let width = c.random.within(1, 70);
            let x = c.tokens("x", width);
            let y = c.g.named("y", Reduce { kind }, &[x]).unwrap();
            c.output(y);
        });
    }
}
