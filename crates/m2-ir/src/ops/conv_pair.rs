//! Both long convolutions of M2-BERT's mixer as one transform pair.

use super::{ConvSpectrum, LongConv, arity, shape, tokens_by};
use crate::{
    Binary, Builder, Dim, Error, Expr, Locality, NodeId, Op, Rule, Sizes, Type, ops::Elementwise,
};

/// `y = conv₁(a) ⊙ x2 + conv₂(u)`.
///
/// Operands: a, u, x2 (T, H), spectrum (H, 4, L) of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ConvPair;

impl Rule for ConvPair {
    fn name(&self) -> &'static str {
        "conv_pair"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 4, "a, u, x2, spectrum")?;
        let h = tokens_by(x[0], "a")?;
        shape(x[1], &x[0].shape, "u")?;
        shape(x[2], &x[0].shape, "x2")?;
        shape(x[3], &[Dim::Fixed(h), Dim::Fixed(4), Dim::Span], "a spectrum")?;
        Ok(x[0].clone())
    }

    fn locality(&self) -> Locality {
        Locality::Global
    }

    fn flops(&self, _: &[&Type], out: &Type, s: &Sizes) -> u64 {
        out.len(s) as u64 * (20 * u64::from(s.span.max(1).ilog2()) + 48)
    }

    fn decompose(
        &self,
        g: &mut Builder,
        x: &[NodeId],
        name: &str,
    ) -> Option<Result<NodeId, Error>> {
        let spectrum = g.node(x[3]).clone();
        let Op::ConvSpectrum(pair) = spectrum.op else { return None };
        let one = ConvSpectrum { pair: false, ..pair };
        Some((|| {
            let (first, second) = spectrum.inputs.split_at(one.operands());
            let s1 = g.push(one.into(), first, format!("{name}/spectrum1"))?;
            let s2 = g.push(one.into(), second, format!("{name}/spectrum2"))?;
            let c1 = g.push(LongConv.into(), &[x[0], s1], format!("{name}/conv1"))?;
            let c2 = g.push(LongConv.into(), &[x[1], s2], format!("{name}/conv2"))?;
            let sum = Expr::input(0)
                .binary(Binary::Mul, &Expr::input(1))
                .binary(Binary::Add, &Expr::input(2));
            g.push(Elementwise::new(sum).into(), &[c1, x[2], c2], format!("{name}/gated"))
        })())
    }
}
