//! Softmax attention within each row, for the Transformer baselines (m2-bert.md 12).

use super::{AttentionApply, AttentionScores, Softmax, arity, shape, tokens_by};
use crate::{Builder, Error, Locality, NodeId, Rule, Sizes, Type};

/// `out = softmax(q·kᵀ/√d − slope·|i−j|, over the row's valid keys) · v`, head by head.
///
/// Operands: q, k, v, each (T, heads·d) with d = H/heads; head j owns columns j·d … (j+1)·d − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attention {
    /// Number of heads.
    pub heads: usize,
    /// Subtract ALiBi's distance penalty, with [`alibi_slopes`].
    pub alibi: bool,
}

/// ALiBi's slope of each head: r, r², … with r = 2^(−8/heads) for a power of two, else those of the
/// next lower power followed by every second slope of twice that power (m2-bert.md 12).
pub fn alibi_slopes(heads: usize) -> Vec<f64> {
    let powers = |n: usize| (1..=n).map(move |i| (-8.0 * i as f64 / n as f64).exp2());
    let lower = if heads.is_power_of_two() { heads } else { heads.next_power_of_two() / 2 };
    powers(lower).chain(powers(2 * lower).step_by(2)).take(heads).collect()
}

impl Rule for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 3, "q, k, v")?;
        let h = tokens_by(x[0], "q")?;
        if self.heads == 0 || h % self.heads != 0 {
            return Err(format!("cannot split width {h} into {} heads", self.heads));
        }
        shape(x[1], &x[0].shape, "k")?;
        shape(x[2], &x[0].shape, "v")?;
        Ok(x[0].clone())
    }

    fn locality(&self) -> Locality {
        Locality::Global
    }

    fn flops(&self, _: &[&Type], out: &Type, s: &Sizes) -> u64 {
        let h = out.width().unwrap_or(0);
        ((4 * h + 4 * self.heads) * s.tokens * s.span) as u64
    }

    fn decompose(
        &self,
        g: &mut Builder,
        x: &[NodeId],
        name: &str,
    ) -> Option<Result<NodeId, Error>> {
        Some((|| {
            let scores = AttentionScores { heads: self.heads, alibi: self.alibi };
            let s = g.push(scores.into(), &x[..2], format!("{name}/scores"))?;
            let p = g.push(Softmax.into(), &[s], format!("{name}/probs"))?;
            g.push(AttentionApply.into(), &[p, x[2]], format!("{name}/context"))
        })())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn slopes_of_twelve_heads() {
        let s = super::alibi_slopes(12);
        assert_eq!((s[0], s[7], s[8], s[9]), (0.5, 1.0 / 256.0, 0.5f64.sqrt(), 0.5f64.powf(1.5)));
    }
}
