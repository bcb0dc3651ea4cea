//! One file an op: parameters, shape rule, decomposition, cost.

mod attention;
mod attention_apply;
mod attention_scores;
mod block_diag_matmul;
mod concat;
mod conv_pair;
mod conv_spectrum;
mod elementwise;
mod epilogue;
mod gather;
mod gather_rows;
mod implicit_filter;
mod layer_norm;
mod long_conv;
mod matmul;
mod monarch;
mod pad;
mod permute;
mod pool_rows;
mod query_attention;
mod reduce;
mod reshape;
mod sequence_mixer;
mod short_conv;
mod slice;
mod softmax;

pub use attention::{Attention, alibi_slopes};
pub use attention_apply::AttentionApply;
pub use attention_scores::AttentionScores;
pub use block_diag_matmul::BlockDiagMatMul;
pub use concat::Concat;
pub use conv_pair::ConvPair;
pub use conv_spectrum::{ConvSpectrum, ReverseLag};
pub use elementwise::Elementwise;
pub use epilogue::{Activation, Epilogue};
pub use gather::Gather;
pub use gather_rows::{GatherRows, Which};
pub use implicit_filter::ImplicitFilter;
pub use layer_norm::LayerNorm;
pub use long_conv::LongConv;
pub use matmul::{MatMul, Orientation};
pub use monarch::Monarch;
pub use pad::Pad;
pub use permute::Permute;
pub use pool_rows::PoolRows;
pub use query_attention::QueryAttention;
pub use reduce::{Reduce, ReduceKind};
pub use reshape::Reshape;
pub use sequence_mixer::SequenceMixer;
pub use short_conv::ShortConv;
pub use slice::Slice;
pub use softmax::Softmax;

use crate::{Dim, Op, Type};

macro_rules! into_op {
    ($($name:ident),*) => {$(
        impl From<$name> for Op {
            fn from(o: $name) -> Op {
                Op::$name(o)
            }
        }
    )*};
}

into_op!(
    Attention,
    AttentionApply,
    AttentionScores,
    BlockDiagMatMul,
    Concat,
    ConvPair,
    ConvSpectrum,
    Elementwise,
    Gather,
    GatherRows,
    ImplicitFilter,
    LayerNorm,
    LongConv,
    MatMul,
    Monarch,
    Pad,
    Permute,
    PoolRows,
    QueryAttention,
    Reduce,
    Reshape,
    SequenceMixer,
    ShortConv,
    Slice,
    Softmax
);

/// Checks the number of operands.
fn arity(inputs: &[&Type], expected: usize, what: &str) -> Result<(), String> {
    if inputs.len() == expected {
        return Ok(());
    }
    Err(format!("takes {expected} operands ({what}), found {}", inputs.len()))
}

/// Checks the shape of one operand.
fn shape(found: &Type, expected: &[Dim], what: &str) -> Result<(), String> {
    if found.shape == expected {
        return Ok(());
    }
    let expected = Type { shape: expected.to_vec(), dtype: found.dtype };
    Err(format!("needs {what} {expected}, found {found}"))
}

/// The fixed size of an axis counted from the end.
fn fixed(ty: &Type, from_end: usize, what: &str) -> Result<usize, String> {
    ty.shape.len().checked_sub(from_end + 1).and_then(|i| ty.shape[i].fixed()).ok_or_else(|| {
        format!("needs {what} with a fixed axis {from_end} from the end, found {ty}")
    })
}

/// The (Tokens, H) shape that sequence ops work on; returns H.
fn tokens_by(ty: &Type, what: &str) -> Result<usize, String> {
    match ty.shape[..] {
        [Dim::Tokens, Dim::Fixed(h)] if h > 0 => Ok(h),
        _ => Err(format!("needs {what} of shape [T, H], found {ty}")),
    }
}

/// `x` with its innermost axis replaced.
fn with_width(x: &Type, width: usize) -> Type {
    let mut shape = x.shape.clone();
    if let Some(last) = shape.last_mut() {
        *last = Dim::Fixed(width);
    }
    Type { shape, dtype: x.dtype }
}
