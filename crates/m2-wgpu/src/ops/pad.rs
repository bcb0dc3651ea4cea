//! Zeros after the elements of the innermost axis.

use super::copy::{Strided, copy};
use crate::{Error, lowering::Lowering};

pub(super) fn lower(cx: &mut Lowering<'_>) -> Result<(), Error> {
    let x = cx.input(0);
    let strides = cx.layout(cx.out()).strides();
    let (shape, mut zeros) = (cx.shape(x), cx.shape(cx.out()));
    let last = shape.len() - 1;
    let from = Strided { start: 0, strides: cx.layout(x).strides() };
    copy(cx, &shape, Some((x, from)), Strided { start: 0, strides: strides.clone() })?;
    zeros[last] -= shape[last];
    copy(cx, &zeros, None, Strided { start: shape[last] * strides[last], strides })
}
