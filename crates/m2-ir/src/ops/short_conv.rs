//! M2's short filter: a depthwise causal convolution (m2-bert.md 3.1).

use super::{arity, shape, tokens_by};
use crate::{Dim, Locality, Rule, Sizes, Type};

/// `y[t, c] = b[c] + Σ_i w[c, 0, i] · x[t − (taps − 1) + i, c]`; before a row's start x is 0.
///
/// Operands: x (T, C), w (C, 1, taps), b (C). The last tap is the current token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortConv {
    /// Number of taps (3 in M2-BERT).
    pub taps: usize,
}

impl Rule for ShortConv {
    fn name(&self) -> &'static str {
        "short_conv"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 3, "x, w, b")?;
        let c = tokens_by(x[0], "x")?;
        shape(x[1], &[Dim::Fixed(c), Dim::Fixed(1), Dim::Fixed(self.taps)], "w")?;
        shape(x[2], &[Dim::Fixed(c)], "b")?;
        Ok(x[0].clone())
    }

    fn locality(&self) -> Locality {
        Locality::Halo(self.taps.saturating_sub(1))
    }

    fn flops(&self, _: &[&Type], out: &Type, s: &Sizes) -> u64 {
        (2 * self.taps * out.len(s)) as u64
    }
}
