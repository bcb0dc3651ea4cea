//! Depthwise causal convolution with few taps.

use m2_ir::ops::ShortConv;

use crate::{
    Error,
    launch::{Bind, Grid, Slot},
    lowering::{Lowering, read, size, write},
};

pub(super) fn lower(cx: &mut Lowering<'_>, op: &ShortConv) -> Result<(), Error> {
    let (_, c) = cx.columns(cx.out())?;
    let constants = [size("C", c), size("LD", cx.layout(cx.out()).ld), size("TAPS", op.taps)];
    let bindings = vec![
        read(cx.input(0)),
        read(cx.input(1)),
        read(cx.input(2)),
        Bind::Read(Slot::Rows),
        write(cx.out()),
    ];
    cx.launch(shaders::SHORT_CONV, constants, bindings, Grid::rows(c));
    Ok(())
}
