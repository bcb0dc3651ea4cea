//! Taking a few tokens out of a batch.

use m2_ir::ops::{GatherRows, Which};

use crate::{array::Array, real::Real, reference::Context};

pub(super) fn plain<R: Real>(op: &GatherRows, ctx: &Context<'_>, x: &Array<R>, out: &mut Array<R>) {
    let tokens: Vec<usize> = match op.which {
        Which::First => ctx.rows.rows().iter().map(|r| r.offset as usize).collect(),
        Which::Asked => ctx.asked.iter().map(|&t| t as usize).collect(),
    };
    for (i, t) in tokens.into_iter().enumerate() {
        out.row_mut(i).copy_from_slice(x.row(t));
    }
}
