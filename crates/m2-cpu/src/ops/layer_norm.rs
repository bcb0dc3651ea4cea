//! Layer normalisation, centred in two passes.

use m2_ir::ops::LayerNorm;

use crate::{array::Array, real::Real};

pub(super) fn plain<R: Real>(op: &LayerNorm, x: &[&Array<R>], out: &mut Array<R>) {
    for i in 0..out.rows() {
        let y = out.row_mut(i);
        y.copy_from_slice(x[0].row(i));
        if op.residual {
            y.iter_mut().zip(x[3].row(i)).for_each(|(v, &r)| *v += r);
        }
        let n = R::of(y.len() as f64);
        let mean = y.iter().fold(R::zero(), |s, &v| s + v) / n;
        y.iter_mut().for_each(|v| *v = *v - mean);
        let var = y.iter().fold(R::zero(), |s, &v| s + v * v) / n;
        let scale = R::of(1.0) / (var + R::of(op.eps)).sqrt();
        for ((v, &w), &b) in y.iter_mut().zip(&x[1].data).zip(&x[2].data) {
            *v = *v * scale * w + b;
        }
    }
}
