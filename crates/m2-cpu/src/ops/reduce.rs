//! Reductions of the innermost axis.

use m2_ir::ops::{Reduce, ReduceKind};

use crate::{array::Array, real::Real};

pub(super) fn plain<R: Real>(op: &Reduce, x: &Array<R>, out: &mut Array<R>) {
    for (i, o) in out.data.iter_mut().enumerate() {
        let row = x.row(i);
        let sum = |f: &dyn Fn(R) -> R| row.iter().fold(R::zero(), |s, &v| s + f(v));
        *o = match op.kind {
            ReduceKind::Sum => sum(&|v| v),
            ReduceKind::Mean => sum(&|v| v) / R::of(row.len() as f64),
            ReduceKind::SumSquares => sum(&|v| v * v),
            ReduceKind::Max => row.iter().fold(R::of(f64::NEG_INFINITY), |m, &v| m.max(v)),
        };
    }
}
