//! Tensors side by side.

use m2_ir::ops::Concat;

use crate::{array::Array, real::Real};

pub(super) fn plain<R: Real>(op: &Concat, x: &[&Array<R>], out: &mut Array<R>) {
    let inner: usize = out.shape[op.axis + 1..].iter().product();
    let to = out.shape[op.axis] * inner;
    let mut at = 0;
    for a in x {
        let from = a.shape[op.axis] * inner;
        if from > 0 {
            for (src, dst) in a.data.chunks(from).zip(out.data.chunks_mut(to)) {
                dst[at..at + from].copy_from_slice(src);
            }
        }
        at += from;
    }
}
