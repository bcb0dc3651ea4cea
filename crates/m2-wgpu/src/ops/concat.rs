//! Tensors side by side: one copy for each.

use m2_ir::ops::Concat;

use super::copy::{Strided, copy};
use crate::{Error, lowering::Lowering};

pub(super) fn lower(cx: &mut Lowering<'_>, op: &Concat) -> Result<(), Error> {
    let out = cx.layout(cx.out()).strides();
    let mut at = 0;
    for x in cx.inputs() {
        let shape = cx.shape(x);
        let from = Strided { start: 0, strides: cx.layout(x).strides() };
        let to = Strided { start: at * out[op.axis], strides: out.clone() };
        copy(cx, &shape, Some((x, from)), to)?;
        at += shape[op.axis];
    }
    Ok(())
}
