//! One long convolution along each row (m2-bert.md 3.2, m2-theory.md 5).

use super::{arity, shape, tokens_by};
use crate::{Dim, Locality, Rule, Sizes, Type};

/// `y[t] = Σ_{s≤t} k[t−s]·x[s] + Σ_{s>t} k_rev[s−t−1]·x[s] + D·x[t]`, channel by channel.
///
/// Operands: x (T, H), spectrum (H, 2, L) of a [`ConvSpectrum`](super::ConvSpectrum), which also
/// holds D. A row of length ℓ ≤ L uses the first ℓ entries of the kernels; nothing past its end
/// contributes.
///
/// ```
/// use m2_ir::{Builder, DType, Dim, ops::{ConvSpectrum, LongConv, ReverseLag}};
/// let mut g = Builder::new();
/// let x = g.input("x", [Dim::Tokens, Dim::Fixed(8)], DType::F32);
/// let k = g.input("k", [Dim::Span, Dim::Fixed(8)], DType::F32);
/// let d = g.param("D", &[8]);
/// let s = g.add(ConvSpectrum { reverse: Some(ReverseLag::Next), pair: false }, &[k, k, d]).unwrap();
/// let y = g.add(LongConv, &[x, s]).unwrap();
/// assert_eq!(g.node(y).ty.to_string(), "f32[T, 8]");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LongConv;

impl Rule for LongConv {
    fn name(&self) -> &'static str {
        "long_conv"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 2, "x, spectrum")?;
        let h = tokens_by(x[0], "x")?;
        shape(x[1], &[Dim::Fixed(h), Dim::Fixed(2), Dim::Span], "a spectrum")?;
        Ok(x[0].clone())
    }

    fn locality(&self) -> Locality {
        Locality::Global
    }

    fn flops(&self, _: &[&Type], out: &Type, s: &Sizes) -> u64 {
        // 20·log2 L + 48 for a pair (playbook, fft-and-long-convolution.md 2.1), half for one.
        out.len(s) as u64 * (10 * u64::from(s.span.max(1).ilog2()) + 24)
    }
}
