//! The weighted sum of attention.

use super::{arity, tokens_by};
use crate::{Dim, Locality, Rule, Sizes, Type};

/// `out[t, head] = Σ_j p[t, head, j] · v[offset + j, head]` over the keys of t's row.
///
/// Operands: p (T, heads, L), v (T, H); result (T, H).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AttentionApply;

impl Rule for AttentionApply {
    fn name(&self) -> &'static str {
        "attention_apply"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 2, "p, v")?;
        let h = tokens_by(x[1], "v")?;
        match x[0].shape[..] {
            [Dim::Tokens, Dim::Fixed(n), Dim::Span] if n > 0 && h % n == 0 => Ok(x[1].clone()),
            _ => Err(format!("needs p of shape [T, heads, L], found {}", x[0])),
        }
    }

    fn locality(&self) -> Locality {
        Locality::Global
    }

    fn flops(&self, _: &[&Type], out: &Type, s: &Sizes) -> u64 {
        (2 * out.width().unwrap_or(0) * s.tokens * s.span) as u64
    }
}
