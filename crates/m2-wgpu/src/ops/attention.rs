//! Softmax attention within each row, scores kept in registers.

use m2_ir::ops::Attention;

use crate::{
    Error,
    launch::{Bind, Grid, Slot, Source},
    lowering::{Lowering, flag, read, size, write},
    tables::Table,
};

/// Queries of a workgroup: short rows leave few invocations idle.
pub(super) fn threads(cx: &Lowering<'_>) -> usize {
    cx.class.span.min(64)
}

pub(super) fn lower(cx: &mut Lowering<'_>, op: &Attention) -> Result<(), Error> {
    let x = cx.inputs();
    let (_, h) = cx.columns(x[0])?;
    let threads = threads(cx);
    let constants = [
        size("HEADS", op.heads),
        size("LD", cx.layout(x[0]).ld),
        size("THREADS", threads),
        flag("ALIBI", op.alibi),
    ];
    let slopes =
        if op.alibi { Bind::Read(Slot::Table(Table::Slopes(op.heads))) } else { read(x[0]) };
    let bindings =
        vec![read(x[0]), read(x[1]), read(x[2]), slopes, Bind::Read(Slot::Rows), write(cx.out())];
    let source = Source::Kernel(shaders::ATTENTION, vec![(h / op.heads) as u32]);
    let grid = Grid::row_parts(threads, op.heads);
    cx.launch_source(source, shaders::ATTENTION.name, constants, bindings, grid);
    Ok(())
}
