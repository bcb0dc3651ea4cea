//! The weighted sum of attention, for the decomposed plan.

use super::attention::threads;
use crate::{
    Error,
    launch::{Bind, Grid, Slot},
    lowering::{Lowering, read, size, write},
};

pub(super) fn lower(cx: &mut Lowering<'_>) -> Result<(), Error> {
    let x = cx.inputs();
    let (_, h) = cx.columns(x[1])?;
    let heads = cx.shape(x[0])[1];
    let threads = threads(cx);
    let constants = [
        size("HEADS", heads),
        size("D", h / heads),
        size("SPAN", cx.class.span),
        size("LD", cx.layout(x[1]).ld),
        size("THREADS", threads),
    ];
    let bindings = vec![read(x[0]), read(x[1]), Bind::Read(Slot::Rows), write(cx.out())];
    cx.launch(shaders::ATTENTION_APPLY, constants, bindings, Grid::row_parts(threads, h));
    Ok(())
}
