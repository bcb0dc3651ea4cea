//! A contiguous part of one axis.

use m2_ir::ops::Slice;

use crate::{array::Array, real::Real};

pub(super) fn plain<R: Real>(op: &Slice, x: &Array<R>, out: &mut Array<R>) {
    let inner: usize = x.shape[op.axis + 1..].iter().product();
    let (from, to) = (x.shape[op.axis] * inner, op.len * inner);
    if to == 0 {
        return;
    }
    for (src, dst) in x.data.chunks(from).zip(out.data.chunks_mut(to)) {
        dst.copy_from_slice(&src[op.start * inner..][..to]);
    }
}
