//! Attention normalised over the queries: probabilities in a scratch buffer, then their sums.

use super::attention::threads;
use crate::{
    Error,
    launch::{Bind, Grid, Slot},
    lowering::{Lowering, read, size, write},
};

pub(super) fn lower(cx: &mut Lowering<'_>) -> Result<(), Error> {
    let x = cx.inputs();
    let (_, h) = cx.columns(x[0])?;
    let (threads, span, ld) = (threads(cx), cx.class.span, cx.layout(x[0]).ld);
    let probs = Slot::Scratch(0, span * ld);
    let constants = [size("H", h), size("LD", ld), size("THREADS", threads)];
    let bindings = vec![read(x[0]), read(x[1]), Bind::Read(Slot::Rows), Bind::Write(probs)];
    cx.launch(shaders::QUERY_ATTENTION, constants, bindings, Grid::row_parts(threads, 1));
    let constants = [
        size("HEADS", 1),
        size("D", h),
        size("SPAN", span),
        size("LD", ld),
        size("THREADS", threads),
    ];
    let bindings = vec![Bind::Read(probs), read(x[2]), Bind::Read(Slot::Rows), write(cx.out())];
    cx.launch(shaders::ATTENTION_APPLY, constants, bindings, Grid::row_parts(threads, h));
    Ok(())
}
