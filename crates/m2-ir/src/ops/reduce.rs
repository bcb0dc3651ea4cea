//! Sums, means and maxima along the innermost axis.

use super::{arity, with_width};
use crate::{Locality, Rule, Sizes, Type};

/// What a reduction computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReduceKind {
    /// Σ x
    Sum,
    /// Σ x / n
    Mean,
    /// max x
    Max,
    /// Σ x²
    SumSquares,
}

/// Reduces the innermost axis to size 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reduce {
    /// What is computed.
    pub kind: ReduceKind,
}

impl Rule for Reduce {
    fn name(&self) -> &'static str {
        "reduce"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 1, "x")?;
        if x[0].shape.is_empty() {
            return Err("needs an axis to reduce, found a scalar".into());
        }
        Ok(with_width(x[0], 1))
    }

    fn locality(&self) -> Locality {
        Locality::TokenLocal
    }

    fn flops(&self, x: &[&Type], _: &Type, s: &Sizes) -> u64 {
        x[0].len(s) as u64
    }
}
