//! Attention normalised over the queries, as M2-BERT's attention pooler has it (m2-bert.md 6).

use super::{arity, shape, tokens_by};
use crate::{Locality, Rule, Sizes, Type};

/// `out_i = Σ_j p_ij · v_j` with `p_ij = exp(s_ij) / Σ_i' exp(s_i'j)`, `s_ij = mask_i · q_i·k_j / √H`.
///
/// Operands q, k, v (T, H), one head; i and j run over all tokens of a row, `mask_i` is 1 for its
/// valid ones. Padded queries are not left out: their scores are 0, as the published code has it.
///
/// ```
/// use m2_ir::{Builder, DType, Dim, ops::QueryAttention};
/// let mut g = Builder::new();
/// let x = g.input("x", [Dim::Tokens, Dim::Fixed(8)], DType::F32);
/// let y = g.add(QueryAttention, &[x, x, x]).unwrap();
/// assert_eq!(g.node(y).ty.to_string(), "f32[T, 8]");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct QueryAttention;

impl Rule for QueryAttention {
    fn name(&self) -> &'static str {
        "query_attention"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 3, "q, k, v")?;
        tokens_by(x[0], "q")?;
        shape(x[1], &x[0].shape, "k")?;
        shape(x[2], &x[0].shape, "v")?;
        Ok(x[0].clone())
    }

    fn locality(&self) -> Locality {
        Locality::Global
    }

    fn flops(&self, _: &[&Type], out: &Type, s: &Sizes) -> u64 {
        ((4 * out.width().unwrap_or(0) + 4) * s.tokens * s.span) as u64
    }
}
