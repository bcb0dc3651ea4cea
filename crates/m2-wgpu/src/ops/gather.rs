//! Table look-up.

use crate::{
    Error,
    launch::Grid,
    lowering::{Lowering, axis, read, size, write},
};

pub(super) fn lower(cx: &mut Lowering<'_>) -> Result<(), Error> {
    let table = cx.shape(cx.input(0));
    let (lead, h) = cx.columns(cx.out())?;
    let constants = [
        size("V", table[0]),
        size("H", h),
        size("LD", cx.layout(cx.out()).ld),
        size("LEAD", axis(lead)),
    ];
    let bindings = vec![read(cx.input(0)), read(cx.input(1)), write(cx.out())];
    cx.launch(shaders::GATHER, constants, bindings, Grid::new(lead, 8, h.div_ceil(8)));
    Ok(())
}
