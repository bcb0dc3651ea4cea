//! Dense products: `y = x·Wᵀ`, with an epilogue.

use super::{Epilogue, arity, fixed, shape, with_width};
use crate::{Builder, Dim, Error, Locality, NodeId, Rule, Sizes, Type};

/// Which operands are read transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Orientation {
    /// x (.., K) · w (N, K)ᵀ → (.., N): a linear layer.
    #[default]
    Nt,
    /// x (.., K) · w (K, N) → (.., N): its gradient for x.
    Nn,
    /// x (K, M)ᵀ · w (K, N) → (M, N): its gradient for w; K may be symbolic.
    Tn,
}

/// A dense product.
///
/// Operands: x, w, then those of the epilogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MatMul {
    /// Which operands are transposed.
    pub orientation: Orientation,
    /// What happens to the result before it is stored.
    pub epilogue: Epilogue,
}

impl MatMul {
    /// A linear layer without an epilogue.
    pub fn linear() -> Self {
        MatMul::default()
    }

    fn product(&self, x: &Type, w: &Type) -> Result<Type, String> {
        let b = fixed(w, 0, "w")?;
        if self.orientation == Orientation::Tn {
            let [k, Dim::Fixed(m)] = x.shape[..] else {
                return Err(format!("needs x of shape [K, M], found {x}"));
            };
            shape(w, &[k, Dim::Fixed(b)], "w")?;
            return Ok(Type::new([Dim::Fixed(m), Dim::Fixed(b)], x.dtype));
        }
        let a = fixed(w, 1, "w")?;
        let (k, n) = if self.orientation == Orientation::Nt { (b, a) } else { (a, b) };
        shape(w, &[Dim::Fixed(a), Dim::Fixed(b)], "w")?;
        if x.width() != Some(k) {
            return Err(format!("needs x of width {k} for w {w}, found {x}"));
        }
        Ok(with_width(x, n))
    }
}

impl Rule for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 2 + self.epilogue.operands(), "x, w, [bias], [residual]")?;
        self.epilogue.infer(self.product(x[0], x[1])?, &x[2..])
    }

    fn locality(&self) -> Locality {
        match self.orientation {
            Orientation::Nt | Orientation::Nn => Locality::TokenLocal,
            Orientation::Tn => Locality::Global,
        }
    }

    fn flops(&self, x: &[&Type], _: &Type, s: &Sizes) -> u64 {
        let Ok(y) = self.product(x[0], x[1]) else { return 0 };
        let k = match self.orientation {
            Orientation::Tn => x[0].shape[0].of(s),
            Orientation::Nt | Orientation::Nn => x[0].width().unwrap_or(0),
        };
        2 * (y.len(s) * k) as u64 + self.epilogue.flops(y.len(s) as u64)
    }

    fn decompose(
        &self,
        g: &mut Builder,
        x: &[NodeId],
        name: &str,
    ) -> Option<Result<NodeId, Error>> {
        (self.epilogue != Epilogue::default()).then(|| {
            let plain = MatMul { epilogue: Epilogue::default(), ..*self };
            let y = g.push(plain.into(), &x[..2], format!("{name}/product"))?;
            self.epilogue.decompose(g, y, &x[2..], name)
        })
    }
}
