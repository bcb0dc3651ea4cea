//! A contiguous part of one axis.

use super::arity;
use crate::{Dim, Locality, Rule, Sizes, Type};

/// `out = x[.., start .. start + len, ..]` along a fixed axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Which axis.
    pub axis: usize,
    /// First element taken.
    pub start: usize,
    /// Number of elements taken.
    pub len: usize,
}

impl Rule for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 1, "x")?;
        match x[0].shape.get(self.axis).and_then(|d| d.fixed()) {
            Some(n) if self.start.checked_add(self.len).is_some_and(|end| end <= n) => {}
            _ => {
                let Slice { axis, start, len } = self;
                return Err(format!("cannot take {len} from {start} of axis {axis} of {}", x[0]));
            }
        }
        let mut out = x[0].clone();
        out.shape[self.axis] = Dim::Fixed(self.len);
        Ok(out)
    }

    fn locality(&self) -> Locality {
        Locality::View
    }

    fn flops(&self, _: &[&Type], _: &Type, _: &Sizes) -> u64 {
        0
    }
}
