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

impl ImplicitFilter {
    /// Shapes of its operands, in their order: N positions of E features, O neurons, H channels.
    pub fn operands<T: Copy + From<usize>>(n: T, e: T, o: T, h: T) -> [Vec<T>; 11] {
        let one = T::from(1);
        [
            vec![one, n, e],
            vec![one, n, one],
            vec![one, one, h],
            vec![one, o],
            vec![o, e],
            vec![o],
            vec![o, o],
            vec![o],
            vec![o, o],
            vec![o],
            vec![h, o],
        ]
    }
}

/// What messages call its operands.
const NAMES: [&str; 11] = [
    "z",
    "t",
    "deltas",
    "freq",
    "W0",
    "a bias",
    "a hidden weight",
    "a bias",
    "a hidden weight",
    "a bias",
    "W6",
];

impl Rule for ImplicitFilter {
    fn name(&self) -> &'static str {
        "implicit_filter"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 11, "z, t, deltas, freq, W0, b0, W2, b2, W4, b4, W6")?;
        let ([_, n @ Dim::Fixed(_), e @ Dim::Fixed(_)], [h @ Dim::Fixed(_), o @ Dim::Fixed(_)]) =
            (&x[0].shape[..], &x[10].shape[..])
        else {
            return Err(format!("needs z [1, N, E] and W6 [H, O], found {} and {}", x[0], x[10]));
        };
        let expected = Self::operands(*n, *e, *o, *h);
        for ((x, expected), name) in x.iter().zip(&expected).zip(NAMES) {
            shape(x, expected, name)?;
        }
        Ok(Type::new([Dim::Span, *h], x[0].dtype))
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
