//! Taking a few tokens out of a batch.

use m2_ir::ops::{GatherRows, Which};

use crate::{
    Error,
    launch::{Bind, Grid, Slot},
    lowering::{Lowering, axis, read, size, write},
};

pub(super) fn lower(cx: &mut Lowering<'_>, op: &GatherRows) -> Result<(), Error> {
    let (lead, h) = cx.columns(cx.out())?;
    let constants = [
        size("H", h),
        size("LDX", cx.layout(cx.input(0)).ld),
        size("LD", cx.layout(cx.out()).ld),
        size("LEAD", axis(lead)),
    ];
    let picks = match op.which {
        Which::First => Slot::First,
        Which::Asked => Slot::Asked,
    };
    let bindings = vec![read(cx.input(0)), Bind::Read(picks), write(cx.out())];
    cx.launch(shaders::GATHER_ROWS, constants, bindings, Grid::new(lead, 8, h.div_ceil(8)));
    Ok(())
}
