//! `out[i] = f(a[i], b[i], …)` with NumPy's broadcasting.

use crate::{Dim, Expr, Locality, Rule, Sizes, Type};

/// Any chain of unary, binary and select operations on tensors that broadcast to one shape.
///
/// ```
/// use m2_ir::{Binary, Builder, DType, Dim, Expr, Unary, ops::Elementwise};
/// let mut g = Builder::new();
/// let x = g.input("x", [Dim::Tokens, Dim::Fixed(8)], DType::F32);
/// let b = g.param("b", &[8]);
/// let gelu = Expr::input(0).binary(Binary::Add, &Expr::input(1)).unary(Unary::Gelu);
/// let y = g.add(Elementwise::new(gelu), &[x, b]).unwrap();
/// assert_eq!(g.node(y).ty.to_string(), "f32[T, 8]");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Elementwise {
    /// What is computed of the operands.
    pub expr: Expr,
}

impl Elementwise {
    /// The op that evaluates `expr`.
    pub fn new(expr: Expr) -> Self {
        Elementwise { expr }
    }
}

impl Rule for Elementwise {
    fn name(&self) -> &'static str {
        "elementwise"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        if x.is_empty() || x.len() != self.expr.arity() {
            return Err(format!("reads {} operands, found {}", self.expr.arity(), x.len()));
        }
        let rank = x.iter().map(|t| t.shape.len()).max().unwrap_or(0);
        let mut shape = vec![Dim::Fixed(1); rank];
        for t in x {
            if !t.dtype.is_float() {
                return Err(format!("needs real operands, found {t}"));
            }
            let skip = rank - t.shape.len();
            for (out, &d) in shape[skip..].iter_mut().zip(&t.shape) {
                if *out == Dim::Fixed(1) {
                    *out = d;
                } else if d != *out && d != Dim::Fixed(1) {
                    return Err(format!("cannot broadcast {t}: axis {d} meets {out}"));
                }
            }
        }
        Ok(Type::new(shape, x[0].dtype))
    }

    fn locality(&self) -> Locality {
        Locality::TokenLocal
    }

    fn flops(&self, _: &[&Type], out: &Type, s: &Sizes) -> u64 {
        self.expr.flops() * out.len(s) as u64
    }
}
