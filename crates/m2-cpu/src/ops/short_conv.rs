//! The depthwise causal convolution with a few taps.

use m2_ir::ops::ShortConv;

use crate::{array::Array, real::Real, reference::Context};

pub(super) fn plain<R: Real>(
    op: &ShortConv,
    ctx: &Context<'_>,
    x: &[&Array<R>],
    out: &mut Array<R>,
) {
    let (x, w, b) = (x[0], x[1], x[2]);
    for row in ctx.rows.rows() {
        for t in 0..row.length as usize {
            let at = row.offset as usize + t;
            let y = out.row_mut(at);
            y.copy_from_slice(&b.data);
            for back in 0..op.taps.min(t + 1) {
                let tap = op.taps - 1 - back;
                for (c, (y, &x)) in y.iter_mut().zip(x.row(at - back)).enumerate() {
                    *y += w.data[c * op.taps + tap] * x;
                }
            }
        }
    }
}
