//! One file an op. `plain` is the definition in code: any real type, no SIMD, no threads.

pub(crate) mod attention;
mod attention_apply;
mod attention_scores;
mod block_diag_matmul;
mod concat;
pub(crate) mod conv_pair;
pub(crate) mod conv_spectrum;
mod elementwise;
mod epilogue;
mod gather;
mod gather_rows;
pub(crate) mod implicit_filter;
mod layer_norm;
pub(crate) mod long_conv;
mod matmul;
mod monarch;
mod pad;
mod permute;
mod pool_rows;
mod query_attention;
mod reduce;
mod sequence_mixer;
mod short_conv;
mod slice;
mod softmax;

use m2_ir::Op;

use crate::{array::Array, real::Real, reference::Context};

/// Computes `out`, whose shape is set and whose elements are zero, of the operands.
pub(crate) fn plain<R: Real>(op: &Op, ctx: &Context<'_>, x: &[&Array<R>], out: &mut Array<R>) {
    match op {
        // Sources are not computed.
        Op::Param | Op::Input => {}
        Op::Elementwise(o) => elementwise::plain(o, x, out),
        Op::Reduce(o) => reduce::plain(o, x[0], out),
        Op::MatMul(o) => matmul::plain(o, x, out),
        Op::BlockDiagMatMul(o) => block_diag_matmul::plain(o, x, out),
        Op::Monarch(o) => monarch::plain(o, x, out),
        Op::LongConv(_) => long_conv::plain(ctx, x, out),
        Op::ConvPair(_) => conv_pair::plain(ctx, x, out),
        Op::SequenceMixer(o) => sequence_mixer::plain(o, ctx, x, out),
        Op::ConvSpectrum(o) => conv_spectrum::plain(o, x, out),
        Op::ShortConv(o) => short_conv::plain(o, ctx, x, out),
        Op::ImplicitFilter(o) => implicit_filter::plain(o, x, out),
        Op::LayerNorm(o) => layer_norm::plain(o, x, out),
        Op::Softmax(_) => softmax::plain(x[0], out),
        Op::Attention(o) => attention::plain(o, ctx, x, out),
        Op::AttentionScores(o) => attention_scores::plain(o, ctx, x, out),
        Op::AttentionApply(_) => attention_apply::plain(ctx, x, out),
        Op::QueryAttention(_) => query_attention::plain(ctx, x, out),
        Op::Gather(_) => gather::plain(x, out),
        Op::GatherRows(o) => gather_rows::plain(o, ctx, x[0], out),
        Op::PoolRows(_) => pool_rows::plain(ctx, x[0], out),
        Op::Reshape(_) => out.data.copy_from_slice(&x[0].data),
        Op::Slice(o) => slice::plain(o, x[0], out),
        Op::Concat(o) => concat::plain(o, x, out),
        Op::Permute(o) => permute::plain(o, x[0], out),
        Op::Pad(_) => pad::plain(x[0], out),
    }
}
