//! The same elements under another shape.

use super::arity;
use crate::{Dim, Locality, Rule, Sizes, Type};

/// Row-major reinterpretation: symbolic axes must stay, fixed ones may be regrouped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reshape {
    /// The new shape.
    pub shape: Vec<Dim>,
}

/// Symbolic axes in order, and the product of the fixed ones.
fn signature(shape: &[Dim]) -> (Vec<Dim>, usize) {
    let symbols = shape.iter().copied().filter(|d| d.fixed().is_none()).collect();
    (symbols, shape.iter().filter_map(|d| d.fixed()).product())
}

impl Rule for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 1, "x")?;
        let out = Type::new(self.shape.iter().copied(), x[0].dtype);
        if signature(&x[0].shape) != signature(&self.shape) {
            return Err(format!("cannot reshape {} to {out}", x[0]));
        }
        Ok(out)
    }

    fn locality(&self) -> Locality {
        Locality::View
    }

    fn flops(&self, _: &[&Type], _: &Type, _: &Sizes) -> u64 {
        0
    }
}
