//! Layer normalisation over the innermost axis.

use super::{arity, shape};
use crate::{
    Binary, Builder, Dim, Error, Expr, Locality, NodeId, Rule, Sizes, Type, ops::Elementwise,
};

/// `y = (s − mean(s)) / √(var(s) + eps) · w + b` with s = x, or s = x + residual.
///
/// Operands: x (.., H), w (H), b (H), [residual (.., H)]. The variance is biased and centred.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNorm {
    /// Added to the variance.
    pub eps: f64,
    /// Whether a fourth operand is added to x first.
    pub residual: bool,
}

impl Rule for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 3 + usize::from(self.residual), "x, w, b, [residual]")?;
        let h = x[0].width().ok_or_else(|| format!("needs x of fixed width, found {}", x[0]))?;
        shape(x[1], &[Dim::Fixed(h)], "w")?;
        shape(x[2], &[Dim::Fixed(h)], "b")?;
        if self.residual {
            shape(x[3], &x[0].shape, "a residual")?;
        }
        Ok(x[0].clone())
    }

    fn locality(&self) -> Locality {
        Locality::TokenLocal
    }

    fn flops(&self, _: &[&Type], out: &Type, s: &Sizes) -> u64 {
        (8 + u64::from(self.residual)) * out.len(s) as u64
    }

    fn decompose(
        &self,
        g: &mut Builder,
        x: &[NodeId],
        name: &str,
    ) -> Option<Result<NodeId, Error>> {
        self.residual.then(|| {
            let sum = Expr::input(0).binary(Binary::Add, &Expr::input(1));
            let s =
                g.push(Elementwise::new(sum).into(), &[x[0], x[3]], format!("{name}/summed"))?;
            let plain = LayerNorm { residual: false, ..*self };
            g.push(plain.into(), &[s, x[1], x[2]], format!("{name}/normalised"))
        })
    }
}
