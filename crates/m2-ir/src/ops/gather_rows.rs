//! Taking a few tokens out of a batch.

use super::{arity, tokens_by};
use crate::{Dim, Locality, Rule, Sizes, Type};

/// Which tokens are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Which {
    /// The first token of each row (`[CLS]`): R results.
    First,
    /// The asked positions, given with the batch as absolute token indices: Q results.
    Asked,
}

/// `out[i] = x[token(i)]`: x (T, H) → (R, H) or (Q, H).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatherRows {
    /// Which tokens.
    pub which: Which,
}

impl Rule for GatherRows {
    fn name(&self) -> &'static str {
        "gather_rows"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 1, "x")?;
        let h = tokens_by(x[0], "x")?;
        let rows = match self.which {
            Which::First => Dim::Rows,
            Which::Asked => Dim::Asked,
        };
        Ok(Type::new([rows, Dim::Fixed(h)], x[0].dtype))
    }

    fn locality(&self) -> Locality {
        Locality::Global
    }

    fn flops(&self, _: &[&Type], _: &Type, _: &Sizes) -> u64 {
        0
    }
}
