//! Mean of each row's valid tokens.

use crate::{
    Error,
    launch::{Bind, Grid, Slot},
    lowering::{Lowering, read, size, write},
};

pub(super) fn lower(cx: &mut Lowering<'_>) -> Result<(), Error> {
    let (lead, h) = cx.columns(cx.out())?;
    let constants =
        [size("H", h), size("LDX", cx.layout(cx.input(0)).ld), size("LD", cx.layout(cx.out()).ld)];
    let bindings = vec![read(cx.input(0)), Bind::Read(Slot::Rows), write(cx.out())];
    cx.launch(shaders::POOL_ROWS, constants, bindings, Grid::new(lead, 8, h.div_ceil(8)));
    Ok(())
}
