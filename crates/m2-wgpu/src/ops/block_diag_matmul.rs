//! Block-diagonal products in register tiles.

use m2_ir::ops::BlockDiagMatMul;

use super::product::Product;
use crate::{Error, lowering::Lowering};

pub(super) fn lower(cx: &mut Lowering<'_>, op: &BlockDiagMatMul) -> Result<(), Error> {
    let (x, w) = (cx.input(0), cx.input(1));
    let (lead, _) = cx.columns(x)?;
    let shape = cx.shape(w);
    let (blocks, rows, inputs) = (shape[0], shape[1], shape[2]);
    Product {
        blocks,
        epilogue: op.epilogue,
        extra: cx.inputs()[2..].to_vec(),
        ..Product::dense(x, cx.out(), lead, w, rows, inputs)
    }
    .lower(cx)
}
