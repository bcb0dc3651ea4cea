//! Softmax of the innermost axis.

use crate::{array::Array, real::Real};

pub(super) fn plain<R: Real>(x: &Array<R>, out: &mut Array<R>) {
    for i in 0..out.rows() {
        let row = x.row(i);
        let top = row.iter().fold(R::of(f64::NEG_INFINITY), |m, &v| m.max(v));
        if top == R::of(f64::NEG_INFINITY) {
            continue;
        }
        let y = out.row_mut(i);
        y.iter_mut().zip(row).for_each(|(y, &v)| *y = (v - top).exp());
        let sum = y.iter().fold(R::zero(), |s, &v| s + v);
        y.iter_mut().for_each(|v| *v = *v / sum);
    }
}
