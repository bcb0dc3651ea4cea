//! One file an op: which kernels, with which constants, buffers and grids.

mod attention;
mod attention_apply;
mod attention_scores;
mod block_diag_matmul;
mod concat;
mod conv_pair;
mod conv_spectrum;
mod copy;
mod cut;
mod elementwise;
mod gather;
mod gather_rows;
mod implicit_filter;
mod layer_norm;
mod long_conv;
mod matmul;
mod monarch;
mod norm;
mod pad;
mod passes;
mod permute;
mod pool_rows;
mod product;
mod query_attention;
mod reduce;
mod reshape;
mod sequence_mixer;
mod short_conv;
mod slice;
mod softmax;
mod strided;
mod tiling;
mod transform;

use m2_ir::Op;

use crate::{Error, lowering::Lowering};

/// Adds the dispatches of the node that `cx` stands at.
///
/// # Errors
/// When there is no kernel for this form of the op.
pub(crate) fn lower(cx: &mut Lowering<'_>, op: &Op) -> Result<(), Error> {
    match op {
        Op::Param | Op::Input => Ok(()),
        Op::Elementwise(o) => elementwise::lower(cx, o),
        Op::Reduce(o) => reduce::lower(cx, o),
        Op::MatMul(o) => matmul::lower(cx, o),
        Op::BlockDiagMatMul(o) => block_diag_matmul::lower(cx, o),
        Op::Monarch(o) => monarch::lower(cx, o),
        Op::LongConv(_) => long_conv::lower(cx),
        Op::ConvPair(_) => conv_pair::lower(cx),
        Op::SequenceMixer(o) => sequence_mixer::lower(cx, o),
        Op::ConvSpectrum(o) => conv_spectrum::lower(cx, o),
        Op::ShortConv(o) => short_conv::lower(cx, o),
        Op::ImplicitFilter(o) => implicit_filter::lower(cx, o),
        Op::LayerNorm(o) => layer_norm::lower(cx, o),
        Op::Softmax(_) => softmax::lower(cx),
        Op::Attention(o) => attention::lower(cx, o),
        Op::AttentionScores(o) => attention_scores::lower(cx, o),
        Op::AttentionApply(_) => attention_apply::lower(cx),
        Op::QueryAttention(_) => query_attention::lower(cx),
        Op::Gather(_) => gather::lower(cx),
        Op::GatherRows(o) => gather_rows::lower(cx, o),
        Op::PoolRows(_) => pool_rows::lower(cx),
        Op::Reshape(_) => reshape::lower(cx),
        Op::Slice(o) => slice::lower(cx, o),
        Op::Concat(o) => concat::lower(cx, o),
        Op::Permute(o) => permute::lower(cx, o),
        Op::Pad(_) => pad::lower(cx),
    }
}
