//! Attention of its parts.

use m2_ir::ops::{Attention, AttentionScores};

use super::{attention_apply, attention_scores, softmax};
use crate::{array::Array, real::Real, reference::Context};

pub(super) fn plain<R: Real>(
    op: &Attention,
    ctx: &Context<'_>,
    x: &[&Array<R>],
    out: &mut Array<R>,
) {
    let shape = [x[0].shape[0], op.heads, ctx.rows.longest()];
    let (mut scores, mut probs) = (Array::zeros(&shape), Array::zeros(&shape));
    let parts = AttentionScores { heads: op.heads, alibi: op.alibi };
    attention_scores::plain(&parts, ctx, &x[..2], &mut scores);
    softmax::plain(&scores, &mut probs);
    attention_apply::plain(ctx, &[&probs, x[2]], out);
}
