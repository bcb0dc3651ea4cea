//! Long-convolution kernels made by a sine network (m2-bert.md 3.3).

use super::{arity, shape};
use crate::{Dim, Locality, Rule, Sizes, Type};

/// `k[n, h] = (sin(f⊙(sin(f⊙(sin(f⊙(z W0ᵀ+b0)) W2ᵀ+b2)) W4ᵀ+b4)) W6ᵀ)[n, h] · exp(−t[n]·|δ[h]|)`.
///
/// f = w_mod · freq. Operands: z (1, N, E), t (1, N, 1), deltas (1, 1, H), freq (1, O), W0 (O, E),
/// b0 (O), W2 (O, O), b2 (O), W4 (O, O), b4 (O), W6 (H, O); result (L, H): the first min(L, N) rows,
/// zeros after them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImplicitFilter {
    /// Constant multiplier of `freq` (`hyena_w_mod`).
    pub w_mod: f64,
}

impl Rule for ImplicitFilter {
    fn name(&self) -> &'static str {
        "implicit_filter"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 11, "z, t, deltas, freq, W0, b0, W2, b2, W4, b4, W6")?;
        let one = Dim::Fixed(1);
        let ([_, n @ Dim::Fixed(_), e @ Dim::Fixed(_)], [h @ Dim::Fixed(_), o @ Dim::Fixed(_)]) =
            (&x[0].shape[..], &x[10].shape[..])
        else {
            return Err(format!("needs z [1, N, E] and W6 [H, O], found {} and {}", x[0], x[10]));
        };
        let (n, e, h, o) = (*n, *e, *h, *o);
        shape(x[0], &[one, n, e], "z")?;
        shape(x[1], &[one, n, one], "t")?;
        shape(x[2], &[one, one, h], "deltas")?;
        shape(x[3], &[one, o], "freq")?;
        shape(x[4], &[o, e], "W0")?;
        for i in [5, 7, 9] {
            shape(x[i], &[o], "a bias")?;
        }
        for i in [6, 8] {
            shape(x[i], &[o, o], "a hidden weight")?;
        }
        Ok(Type::new([Dim::Span, h], x[0].dtype))
    }

    fn locality(&self) -> Locality {
        Locality::Global
    }

    fn flops(&self, x: &[&Type], out: &Type, s: &Sizes) -> u64 {
        let weights: usize = [4, 6, 8, 10].iter().map(|&i| x[i].len(s)).sum();
        let sines = 3 * x[3].len(s);
        (s.span * (2 * weights + 2 * sines)) as u64 + 3 * out.len(s) as u64
    }
}
