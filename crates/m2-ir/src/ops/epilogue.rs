//! What a matrix product does to its result before it is stored.

use super::{shape, with_width};
use crate::{Binary, Builder, Dim, Error, Expr, NodeId, Op, Type, Unary, ops::*};

/// A function applied to each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Activation {
    /// The identity.
    #[default]
    None,
    /// Exact GELU.
    Gelu,
    /// tanh
    Tanh,
}

/// Applied in this order: + bias, activation or GLU, + residual.
///
/// Operands follow those of the product: the bias (N) if any, then the residual (of the result's
/// shape) if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Epilogue {
    /// Add a bias of the product's width.
    pub bias: bool,
    /// Apply a function.
    pub activation: Activation,
    /// Gate: the result is `activation(y[.., :n/2]) · y[.., n/2:]`, half as wide.
    pub glu: bool,
    /// Add another tensor of the result's shape.
    pub residual: bool,
}

impl Epilogue {
    /// Number of operands beside those of the product.
    pub fn operands(&self) -> usize {
        usize::from(self.bias) + usize::from(self.residual)
    }

    /// Type of the result for a product of type `y`, the extra operands checked.
    pub(super) fn infer(&self, y: Type, extra: &[&Type]) -> Result<Type, String> {
        if extra.len() != self.operands() {
            return Err(format!(
                "takes {} epilogue operands, found {}",
                self.operands(),
                extra.len()
            ));
        }
        let n = y.width().ok_or_else(|| format!("has no fixed width: {y}"))?;
        if self.bias {
            shape(extra[0], &[Dim::Fixed(n)], "a bias")?;
        }
        if self.glu && n % 2 != 0 {
            return Err(format!("cannot gate an odd width of {n}"));
        }
        let out = if self.glu { with_width(&y, n / 2) } else { y };
        if self.residual {
            shape(extra[extra.len() - 1], &out.shape, "a residual")?;
        }
        Ok(out)
    }

    /// FLOPs beside the product's, for `n` elements of the product.
    pub(super) fn flops(&self, n: u64) -> u64 {
        let after = if self.glu { n / 2 } else { n };
        let activated = if self.activation == Activation::None { 0 } else { after };
        let gated = if self.glu { after } else { 0 };
        u64::from(self.bias) * n + activated + gated + u64::from(self.residual) * after
    }

    /// The epilogue as separate ops on the plain product `y`; None if there is nothing to do.
    ///
    /// The product is expected under the name `name/product`; the caller names the last value.
    pub(super) fn decompose(
        &self,
        g: &mut Builder,
        mut y: NodeId,
        extra: &[NodeId],
        name: &str,
    ) -> Result<NodeId, Error> {
        let part = |g: &mut Builder, op: Op, inputs: &[NodeId], what: &str| {
            g.push(op, inputs, format!("{name}/{what}"))
        };
        let binary = |f| Op::from(Elementwise::new(Expr::input(0).binary(f, &Expr::input(1))));
        if self.bias {
            y = part(g, binary(Binary::Add), &[y, extra[0]], "biased")?;
        }
        let unary = match self.activation {
            Activation::None => None,
            Activation::Gelu => Some(Unary::Gelu),
            Activation::Tanh => Some(Unary::Tanh),
        }
        .map(|f| Elementwise::new(Expr::input(0).unary(f)).into());
        if self.glu {
            let half = g.node(y).ty.width().unwrap_or(0) / 2;
            let axis = g.node(y).ty.shape.len() - 1;
            let mut a = part(g, Slice { axis, start: 0, len: half }.into(), &[y], "gate")?;
            let b = part(g, Slice { axis, start: half, len: half }.into(), &[y], "linear")?;
            if let Some(op) = unary {
                a = part(g, op, &[a], "activated")?;
            }
            y = part(g, binary(Binary::Mul), &[a, b], "gated")?;
        } else if let Some(op) = unary {
            y = part(g, op, &[y], "activated")?;
        }
        if self.residual {
            y = part(g, binary(Binary::Add), &[y, extra[extra.len() - 1]], "summed")?;
        }
        Ok(y)
    }
}
