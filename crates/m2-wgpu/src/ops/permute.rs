//! Axes in another order.

use m2_ir::ops::Permute;

use super::copy::{Strided, copy};
use crate::{Error, lowering::Lowering};

pub(super) fn lower(cx: &mut Lowering<'_>, op: &Permute) -> Result<(), Error> {
    let x = cx.input(0);
    let strides = cx.layout(x).strides();
    let from = Strided { start: 0, strides: op.order.iter().map(|&a| strides[a]).collect() };
    let to = Strided { start: 0, strides: cx.layout(cx.out()).strides() };
    copy(cx, &cx.shape(cx.out()), Some((x, from)), to)
}
