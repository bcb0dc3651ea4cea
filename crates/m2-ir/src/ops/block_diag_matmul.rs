//! Block-diagonal products, the order-1 Monarch matrix (m2-bert.md 4.1, m2-theory.md 3.1).

use super::{Epilogue, arity, with_width};
use crate::{Builder, Dim, Error, Locality, NodeId, Rule, Sizes, Type};

/// `y[.., κq + θ] = Σ_π W[κ, θ, π] · x[.., κp + π]`, contiguous blocks in and out, no permutation.
///
/// Operands: x (.., nb·p), W (nb, q, p), then those of the epilogue. The gate of a GLU epilogue
/// pairs block κ with block κ + nb/2, as M2-BERT's MLP does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct BlockDiagMatMul {
    /// What happens to the result before it is stored.
    pub epilogue: Epilogue,
}

impl BlockDiagMatMul {
    fn product(x: &Type, w: &Type) -> Result<Type, String> {
        let [Dim::Fixed(nb), Dim::Fixed(q), Dim::Fixed(p)] = w.shape[..] else {
            return Err(format!("needs a weight of shape [nb, q, p], found {w}"));
        };
        if x.width() != Some(nb * p) {
            return Err(format!("needs x of width {nb}·{p} = {} for w {w}, found {x}", nb * p));
        }
        Ok(with_width(x, nb * q))
    }
}

impl Rule for BlockDiagMatMul {
    fn name(&self) -> &'static str {
        "block_diag_matmul"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 2 + self.epilogue.operands(), "x, w, [bias], [residual]")?;
        self.epilogue.infer(Self::product(x[0], x[1])?, &x[2..])
    }

    fn locality(&self) -> Locality {
        Locality::TokenLocal
    }

    fn flops(&self, x: &[&Type], _: &Type, s: &Sizes) -> u64 {
        let Ok(y) = Self::product(x[0], x[1]) else { return 0 };
        let p = x[1].width().unwrap_or(0);
        2 * (y.len(s) * p) as u64 + self.epilogue.flops(y.len(s) as u64)
    }

    fn decompose(
        &self,
        g: &mut Builder,
        x: &[NodeId],
        name: &str,
    ) -> Option<Result<NodeId, Error>> {
        (self.epilogue != Epilogue::default()).then(|| {
            let y = g.push(Self::default().into(), &x[..2], format!("{name}/product"))?;
            self.epilogue.decompose(g, y, &x[2..], name)
        })
    }
}
