//! The op set: one variant an op, one file of the same name in `ops/`.

use crate::{Builder, Error, NodeId, Sizes, Type, ops::*};

/// An operation. Everything known about one is in `ops/<op>.rs`, reached through [`Op::rule`].
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is documented by its parameter struct")]
pub enum Op {
    /// A weight, named by its node.
    Param,
    /// A value supplied by every run, named by its node.
    Input,
    Elementwise(Elementwise),
    Reduce(Reduce),
    MatMul(MatMul),
    BlockDiagMatMul(BlockDiagMatMul),
    Monarch(Monarch),
    LongConv(LongConv),
    ConvPair(ConvPair),
    SequenceMixer(SequenceMixer),
    ConvSpectrum(ConvSpectrum),
    ShortConv(ShortConv),
    ImplicitFilter(ImplicitFilter),
    LayerNorm(LayerNorm),
    Softmax(Softmax),
    Attention(Attention),
    AttentionScores(AttentionScores),
    AttentionApply(AttentionApply),
    QueryAttention(QueryAttention),
    Gather(Gather),
    GatherRows(GatherRows),
    PoolRows(PoolRows),
    Reshape(Reshape),
    Slice(Slice),
    Concat(Concat),
    Permute(Permute),
    Pad(Pad),
}

impl Op {
    /// What is known about the op.
    pub fn rule(&self) -> &dyn Rule {
        match self {
            Op::Param => &Source("param"),
            Op::Input => &Source("input"),
            Op::Elementwise(o) => o,
            Op::Reduce(o) => o,
            Op::MatMul(o) => o,
            Op::BlockDiagMatMul(o) => o,
            Op::Monarch(o) => o,
            Op::LongConv(o) => o,
            Op::ConvPair(o) => o,
            Op::SequenceMixer(o) => o,
            Op::ConvSpectrum(o) => o,
            Op::ShortConv(o) => o,
            Op::ImplicitFilter(o) => o,
            Op::LayerNorm(o) => o,
            Op::Softmax(o) => o,
            Op::Attention(o) => o,
            Op::AttentionScores(o) => o,
            Op::AttentionApply(o) => o,
            Op::QueryAttention(o) => o,
            Op::Gather(o) => o,
            Op::GatherRows(o) => o,
            Op::PoolRows(o) => o,
            Op::Reshape(o) => o,
            Op::Slice(o) => o,
            Op::Concat(o) => o,
            Op::Permute(o) => o,
            Op::Pad(o) => o,
        }
    }

    /// The op's name, also of its files and kernels.
    pub fn name(&self) -> &'static str {
        self.rule().name()
    }

    /// Whether the node is a weight or an input.
    pub fn is_source(&self) -> bool {
        matches!(self, Op::Param | Op::Input)
    }
}

/// Where the values that an output token needs may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locality {
    /// Nothing is computed: a weight or an input.
    Source,
    /// The same elements under another shape or a part of them: no work by itself.
    View,
    /// Row i of the result needs row i of the operands (and whole weights).
    TokenLocal,
    /// As `TokenLocal`, and this many tokens before it in the same row.
    Halo(usize),
    /// Anything in the same row, or in all rows.
    Global,
}

/// What an op is: shapes, cost, meaning.
pub trait Rule {
    /// Name of the op.
    fn name(&self) -> &'static str;

    /// Type of the result.
    ///
    /// # Errors
    /// What does not fit, with found and expected; the builder adds op, path and operands.
    fn infer(&self, inputs: &[&Type]) -> Result<Type, String>;

    /// Which tokens a result token depends on.
    fn locality(&self) -> Locality;

    /// Floating-point operations for the given sizes; a multiply-add counts as two.
    fn flops(&self, inputs: &[&Type], out: &Type, sizes: &Sizes) -> u64;

    /// The same function in smaller ops: definition, oracle and fallback.
    ///
    /// `name` is the node's name; parts are called `name/part`. None for an op that is a primitive.
    fn decompose(
        &self,
        _g: &mut Builder,
        _inputs: &[NodeId],
        _name: &str,
    ) -> Option<Result<NodeId, Error>> {
        None
    }
}

/// Weights and inputs.
struct Source(&'static str);

impl Rule for Source {
    fn name(&self) -> &'static str {
        self.0
    }

    fn infer(&self, _: &[&Type]) -> Result<Type, String> {
        Err("is a source, which is added by Builder::param or Builder::input".into())
    }

    fn locality(&self) -> Locality {
        Locality::Source
    }

    fn flops(&self, _: &[&Type], _: &Type, _: &Sizes) -> u64 {
        0
    }
}
