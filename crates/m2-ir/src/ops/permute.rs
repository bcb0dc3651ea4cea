//! Axes in another order.

use super::arity;
use crate::{Locality, Rule, Sizes, Type};

/// `out.shape[i] = x.shape[order[i]]`, elements moved accordingly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permute {
    /// Source axis of each result axis.
    pub order: Vec<usize>,
}

impl Rule for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 1, "x")?;
        let mut sorted = self.order.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..x[0].shape.len()) {
            return Err(format!("{:?} is no order of the axes of {}", self.order, x[0]));
        }
        Ok(Type::new(self.order.iter().map(|&i| x[0].shape[i]), x[0].dtype))
    }

    fn locality(&self) -> Locality {
        Locality::Global
    }

    fn flops(&self, _: &[&Type], _: &Type, _: &Sizes) -> u64 {
        0
    }
}
