//! Kernels made by a sine network.

use m2_ir::ops::ImplicitFilter;

use crate::{array::Array, real::Real};

pub(super) fn plain<R: Real>(op: &ImplicitFilter, x: &[&Array<R>], out: &mut Array<R>) {
    let [z, t, deltas, freq, w0, b0, w2, b2, w4, b4, w6] = x else { return };
    let layer = |h: &[R], w: &Array<R>, b: &Array<R>| -> Vec<R> {
        (0..w.rows())
            .map(|o| {
                let sum = h.iter().zip(w.row(o)).fold(b.data[o], |s, (&a, &w)| s + a * w);
                (R::of(op.w_mod) * freq.data[o] * sum).sin()
            })
            .collect()
    };
    for n in 0..out.rows().min(z.rows()) {
        let h = layer(z.row(n), w0, b0);
        let h = layer(&h, w2, b2);
        let h = layer(&h, w4, b4);
        for (c, k) in out.row_mut(n).iter_mut().enumerate() {
            let d = deltas.data[c];
            let decay = t.data[n] * if d < R::zero() { d } else { R::zero() - d };
            *k = h.iter().zip(w6.row(c)).fold(R::zero(), |s, (&a, &w)| s + a * w) * decay.exp();
        }
    }
}
