//! Zeros after the elements of the innermost axis.

use super::{arity, with_width};
use crate::{Locality, Rule, Sizes, Type};

/// `out[.., i] = x[.., i]`, and 0 for the `after` elements that follow (m2-bert.md 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pad {
    /// Number of zeros.
    pub after: usize,
}

impl Rule for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 1, "x")?;
        match x[0].width().and_then(|n| n.checked_add(self.after)) {
            Some(n) => Ok(with_width(x[0], n)),
            None => Err(format!("needs x of fixed width, found {}", x[0])),
        }
    }

    fn locality(&self) -> Locality {
        Locality::TokenLocal
    }

    fn flops(&self, _: &[&Type], _: &Type, _: &Sizes) -> u64 {
        0
    }
}
