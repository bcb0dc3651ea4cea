//! Layer normalisation over the channels of a token.

use m2_ir::ops::LayerNorm;

use crate::{
    Error,
    launch::Grid,
    lowering::{Lowering, axis, flag, read, size, write},
};

pub(super) fn lower(cx: &mut Lowering<'_>, op: &LayerNorm) -> Result<(), Error> {
    if cx.normalised_by_reader() {
        return Ok(());
    }
    let x = cx.inputs();
    let (lead, h) = cx.columns(x[0])?;
    let constants = [
        size("H", h),
        size("LD", cx.layout(x[0]).ld),
        size("LEAD", axis(lead)),
        ("EPS", op.eps),
        flag("RESIDUAL", op.residual),
    ];
    let residual = if op.residual { x[3] } else { x[0] };
    let bindings = vec![read(x[0]), read(x[1]), read(x[2]), read(residual), write(cx.out())];
    cx.launch(shaders::LAYER_NORM, constants, bindings, Grid::new(lead, 32, 1));
    Ok(())
}
