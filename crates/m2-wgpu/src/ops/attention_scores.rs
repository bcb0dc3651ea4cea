//! The scores of attention, for the decomposed plan.

use m2_ir::ops::AttentionScores;

use super::attention::threads;
use crate::{
    Error,
    launch::{Bind, Grid, Slot},
    lowering::{Lowering, flag, read, size, write},
    tables::Table,
};

pub(super) fn lower(cx: &mut Lowering<'_>, op: &AttentionScores) -> Result<(), Error> {
    let x = cx.inputs();
    let (_, h) = cx.columns(x[0])?;
    let threads = threads(cx);
    let constants = [
        size("HEADS", op.heads),
        size("D", h / op.heads),
        size("SPAN", cx.class.span),
        size("LD", cx.layout(x[0]).ld),
        size("THREADS", threads),
        flag("ALIBI", op.alibi),
    ];
    let slopes =
        if op.alibi { Bind::Read(Slot::Table(Table::Slopes(op.heads))) } else { read(x[0]) };
    let bindings = vec![read(x[0]), read(x[1]), slopes, Bind::Read(Slot::Rows), write(cx.out())];
    let grid = Grid::row_parts(threads, op.heads);
    cx.launch(shaders::ATTENTION_SCORES, constants, bindings, grid);
    Ok(())
}
