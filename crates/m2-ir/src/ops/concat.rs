//! Tensors side by side along one axis.

use crate::{Dim, Locality, Rule, Sizes, Type};

/// Concatenation along a fixed axis; the other axes agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concat {
    /// Which axis.
    pub axis: usize,
}

impl Rule for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        let first = *x.first().ok_or("takes at least one operand, found none")?;
        let mut total = 0;
        for t in x {
            let n = t.shape.get(self.axis).and_then(|d| d.fixed());
            let mut same = t.shape.clone();
            if let (Some(a), Some(&b)) = (same.get_mut(self.axis), first.shape.get(self.axis)) {
                *a = b;
            }
            let (Some(n), true) = (n, same == first.shape && t.dtype == first.dtype) else {
                return Err(format!("cannot join {t} to {first} along axis {}", self.axis));
            };
            total += n;
        }
        let mut out = first.clone();
        out.shape[self.axis] = Dim::Fixed(total);
        Ok(out)
    }

    fn locality(&self) -> Locality {
        Locality::Global
    }

    fn flops(&self, _: &[&Type], _: &Type, _: &Sizes) -> u64 {
        0
    }
}
