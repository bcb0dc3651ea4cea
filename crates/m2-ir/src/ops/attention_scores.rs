//! The scores of attention, one row of keys for each token and head.

use super::{arity, shape, tokens_by};
use crate::{Dim, Locality, Rule, Sizes, Type};

/// `s[t, head, j] = q[t]·k[offset + j]/√d − slope[head]·|i − j|`, i = t's place in its row.
///
/// Operands q, k (T, H); result (T, heads, L); −∞ where j is not a valid key of t's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionScores {
    /// Number of heads.
    pub heads: usize,
    /// Subtract ALiBi's distance penalty.
    pub alibi: bool,
}

impl Rule for AttentionScores {
    fn name(&self) -> &'static str {
        "attention_scores"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 2, "q, k")?;
        let h = tokens_by(x[0], "q")?;
        shape(x[1], &x[0].shape, "k")?;
        if self.heads == 0 || h % self.heads != 0 {
            return Err(format!("cannot split width {h} into {} heads", self.heads));
        }
        Ok(Type::new([Dim::Tokens, Dim::Fixed(self.heads), Dim::Span], x[0].dtype))
    }

    fn locality(&self) -> Locality {
        Locality::Global
    }

    fn flops(&self, x: &[&Type], _: &Type, s: &Sizes) -> u64 {
        (2 * x[0].width().unwrap_or(0) * s.tokens * s.span) as u64
    }
}
