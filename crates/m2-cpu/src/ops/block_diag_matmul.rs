//! Block-diagonal products.

use m2_ir::ops::BlockDiagMatMul;

use super::epilogue;
use crate::{array::Array, real::Real};

pub(super) fn plain<R: Real>(op: &BlockDiagMatMul, x: &[&Array<R>], out: &mut Array<R>) {
    let w = x[1];
    let mut y = vec![R::zero(); w.shape[0] * w.shape[1]];
    for i in 0..out.rows() {
        product(x[0].row(i), w, &mut y);
        epilogue::plain(&op.epilogue, &mut y, &x[2..], i, out.row_mut(i));
    }
}

/// `y[κq + θ] = Σ_π W[κ, θ, π] · x[κp + π]`
pub(super) fn product<R: Real>(x: &[R], w: &Array<R>, y: &mut [R]) {
    let (q, p) = (w.shape[1], w.shape[2]);
    for (j, y) in y.iter_mut().enumerate() {
        let x = &x[j / q * p..][..p];
        *y = x.iter().zip(w.row(j)).fold(R::zero(), |s, (&a, &b)| s + a * b);
    }
}
