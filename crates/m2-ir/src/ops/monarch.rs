//! Order-2 Monarch products (m2-bert.md 5.1, m2-theory.md 2.2).

use super::{arity, with_width};
use crate::{Dim, Locality, Rule, Sizes, Type};

/// `y = P₂ · blockdiag(w2) · P₁ · blockdiag(w1) · [P₀] · x`.
///
/// Operands: x (.., k·p), w1 (k, q, p), w2 (l, s, r) with l·r = k·q; result (.., s·l). P₁ reads the
/// flat middle as (r, l) and transposes it; P₂ writes `out[σ·l + λ] = y[λ, σ]`. The permutations
/// are address maps of the two products, never a pass of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Monarch {
    /// Also permute the input first: x is read as (p, k) and transposed, `x'[κp + π] = x[πk + κ]`
    /// (the leading P of m2-theory.md 2.1).
    pub permute_input: bool,
}

impl Rule for Monarch {
    fn name(&self) -> &'static str {
        "monarch"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 3, "x, w1, w2")?;
        let (
            [Dim::Fixed(k), Dim::Fixed(q), Dim::Fixed(p)],
            [Dim::Fixed(l), Dim::Fixed(s), Dim::Fixed(r)],
        ) = (&x[1].shape[..], &x[2].shape[..])
        else {
            return Err(format!(
                "needs w1 [k, q, p] and w2 [l, s, r], found {} and {}",
                x[1], x[2]
            ));
        };
        if l * r != k * q {
            return Err(format!("needs l·r = k·q between the factors, found {l}·{r} and {k}·{q}"));
        }
        if x[0].width() != Some(k * p) {
            return Err(format!("needs x of width {k}·{p} = {}, found {}", k * p, x[0]));
        }
        Ok(with_width(x[0], s * l))
    }

    fn locality(&self) -> Locality {
        Locality::TokenLocal
    }

    fn flops(&self, x: &[&Type], _: &Type, s: &Sizes) -> u64 {
        let width = x[0].width().unwrap_or(1).max(1);
        let vectors = x[0].len(s) / width;
        (2 * vectors * (x[1].len(s) + x[2].len(s))) as u64
    }
}
