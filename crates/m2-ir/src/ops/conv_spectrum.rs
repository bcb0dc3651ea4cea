//! Spectra of long-convolution kernels, computed once per step or once per frozen model.

use super::{arity, shape};
use crate::{Dim, Locality, Rule, Sizes, Type};

/// Which lag the first entry of the reverse kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReverseLag {
    /// `k_rev[0]` multiplies the next token: M2-BERT (m2-bert.md 3.2).
    Next,
    /// `k_rev[0]` multiplies the current token, beside `k[0]`: safari, HyenaViT (m2-theory.md 5.2).
    Current,
}

/// What [`LongConv`](super::LongConv) and [`ConvPair`](super::ConvPair) need of their kernels.
///
/// Operands for each convolution: k (L, H), [k_rev (L, H) if bidirectional], D (H); those of the
/// second follow if `pair`. The result has shape (H, 2, L) for one convolution, (H, 4, L) for a
/// pair; what its numbers are is each backend's own affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvSpectrum {
    /// The reverse kernels' convention; None for causal convolutions, which have none.
    pub reverse: Option<ReverseLag>,
    /// Whether two convolutions share the spectrum.
    pub pair: bool,
}

impl ConvSpectrum {
    /// Operands of one convolution: k, `[k_rev]`, D.
    pub fn operands(&self) -> usize {
        2 + usize::from(self.reverse.is_some())
    }
}

impl Rule for ConvSpectrum {
    fn name(&self) -> &'static str {
        "conv_spectrum"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        let n = self.operands();
        let convolutions = 1 + usize::from(self.pair);
        arity(x, n * convolutions, "k, [k_rev], D, of each convolution")?;
        let [Dim::Span, Dim::Fixed(h)] = x[0].shape[..] else {
            return Err(format!("needs k of shape [L, H], found {}", x[0]));
        };
        for one in x.chunks(n) {
            for k in &one[..n - 1] {
                shape(k, &[Dim::Span, Dim::Fixed(h)], "a kernel")?;
            }
            shape(one[n - 1], &[Dim::Fixed(h)], "D")?;
        }
        let shape = [Dim::Fixed(h), Dim::Fixed(2 * convolutions), Dim::Span];
        Ok(Type::new(shape, x[0].dtype))
    }

    fn locality(&self) -> Locality {
        Locality::Global
    }

    fn flops(&self, _: &[&Type], out: &Type, s: &Sizes) -> u64 {
        10 * out.len(s) as u64 * u64::from(s.span.max(1).ilog2() + 1)
    }
}
