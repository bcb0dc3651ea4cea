//! M2-BERT's whole sequence mixer between its two projections (m2-bert.md 3).

use super::{ConvPair, LongConv, ShortConv, Slice, arity, shape, tokens_by};
use crate::{
    Binary, Builder, Dim, Error, Expr, Locality, NodeId, Rule, Sizes, Type, ops::Elementwise,
};

/// Short convolutions, both gates, one or both long convolutions and their D terms.
///
/// `c = short_conv(p)`, split into x1, x2, v; `y = conv₁(v ⊙ x1) ⊙ x2 [+ conv₂(u)]`.
/// Operands: p (T, 3H), w (3H, 1, taps), b (3H), spectrum, [u (T, H)]; the spectrum is that of a
/// pair if there is a u.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceMixer {
    /// Taps of the short convolution.
    pub taps: usize,
    /// Whether the residual long convolution of u is added.
    pub residual: bool,
}

impl Rule for SequenceMixer {
    fn name(&self) -> &'static str {
        "sequence_mixer"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 4 + usize::from(self.residual), "p, w, b, spectrum, [u]")?;
        let c = tokens_by(x[0], "p")?;
        if c % 3 != 0 {
            return Err(format!("needs p of width 3·H, found {}", x[0]));
        }
        let parts = if self.residual { 4 } else { 2 };
        shape(x[1], &[Dim::Fixed(c), Dim::Fixed(1), Dim::Fixed(self.taps)], "w")?;
        shape(x[2], &[Dim::Fixed(c)], "b")?;
        shape(x[3], &[Dim::Fixed(c / 3), Dim::Fixed(parts), Dim::Span], "a spectrum")?;
        let out = Type::new([Dim::Tokens, Dim::Fixed(c / 3)], x[0].dtype);
        if self.residual {
            shape(x[4], &out.shape, "u")?;
        }
        Ok(out)
    }

    fn locality(&self) -> Locality {
        Locality::Global
    }

    fn flops(&self, x: &[&Type], out: &Type, s: &Sizes) -> u64 {
        let short = ShortConv { taps: self.taps }.flops(&x[..3], x[0], s);
        let long = if self.residual {
            ConvPair.flops(&[], out, s)
        } else {
            LongConv.flops(&[], out, s) + out.len(s) as u64
        };
        short + out.len(s) as u64 + long
    }

    fn decompose(
        &self,
        g: &mut Builder,
        x: &[NodeId],
        name: &str,
    ) -> Option<Result<NodeId, Error>> {
        Some((|| {
            let h = g.node(x[0]).ty.width().unwrap_or(0) / 3;
            let short = ShortConv { taps: self.taps };
            let c = g.push(short.into(), &x[..3], format!("{name}/short"))?;
            let mut part = |i: usize, what: &str| {
                let slice = Slice { axis: 1, start: i * h, len: h };
                g.push(slice.into(), &[c], format!("{name}/{what}"))
            };
            let (x1, x2, v) = (part(0, "x1")?, part(1, "x2")?, part(2, "v")?);
            let mul = || Elementwise::new(Expr::input(0).binary(Binary::Mul, &Expr::input(1)));
            let a = g.push(mul().into(), &[v, x1], format!("{name}/pre_gate"))?;
            if self.residual {
                return g.push(ConvPair.into(), &[a, x[4], x2, x[3]], format!("{name}/pair"));
            }
            let y = g.push(LongConv.into(), &[a, x[3]], format!("{name}/conv1"))?;
            g.push(mul().into(), &[y, x2], format!("{name}/gated"))
        })())
    }
}
