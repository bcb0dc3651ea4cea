//! Mean pooling of each row's valid tokens (m2-bert.md 6, `pool_all`).

use super::{arity, tokens_by};
use crate::{Dim, Locality, Rule, Sizes, Type};

/// `out[r] = Σ_{t < valid} x[offset + t] / max(valid, 1)`: x (T, H) → (R, H).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PoolRows;

impl Rule for PoolRows {
    fn name(&self) -> &'static str {
        "pool_rows"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 1, "x")?;
        let h = tokens_by(x[0], "x")?;
        Ok(Type::new([Dim::Rows, Dim::Fixed(h)], x[0].dtype))
    }

    fn locality(&self) -> Locality {
        Locality::Global
    }

    fn flops(&self, x: &[&Type], _: &Type, s: &Sizes) -> u64 {
        x[0].len(s) as u64
    }
}
