//! Softmax over the innermost axis.

use super::arity;
use crate::{Locality, Rule, Sizes, Type};

/// `y = exp(x − max x) / Σ exp(x − max x)`; where a row is −∞ everywhere the result is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Softmax;

impl Rule for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 1, "x")?;
        if x[0].shape.is_empty() {
            return Err("needs an axis, found a scalar".into());
        }
        Ok(x[0].clone())
    }

    fn locality(&self) -> Locality {
        Locality::TokenLocal
    }

    fn flops(&self, _: &[&Type], out: &Type, s: &Sizes) -> u64 {
        4 * out.len(s) as u64
    }
}
