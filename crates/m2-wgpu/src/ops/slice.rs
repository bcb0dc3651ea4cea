//! A part of one axis, where it is not a view.

use m2_ir::ops::Slice;

use super::copy::{Strided, copy};
use crate::{Error, lowering::Lowering};

pub(super) fn lower(cx: &mut Lowering<'_>, op: &Slice) -> Result<(), Error> {
    let x = cx.input(0);
    let strides = cx.layout(x).strides();
    let from = Strided { start: op.start * strides[op.axis], strides };
    let to = Strided { start: 0, strides: cx.layout(cx.out()).strides() };
    copy(cx, &cx.shape(cx.out()), Some((x, from)), to)
}
