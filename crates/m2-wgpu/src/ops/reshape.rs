//! The same elements under another shape, where it is not a view.

use super::copy::{Strided, copy};
use crate::{Error, lowering::Lowering};

pub(super) fn lower(cx: &mut Lowering<'_>) -> Result<(), Error> {
    let x = cx.input(0);
    let (from, to) = (cx.layout(x), cx.layout(cx.out()));
    if from.lead != to.lead {
        return Err(cx.unsupported(format!("of {} to {}", cx.ty(x), cx.ty(cx.out()))));
    }
    let flat = || Strided { start: 0, strides: vec![1] };
    copy(cx, &[from.len()], Some((x, flat())), flat())
}
