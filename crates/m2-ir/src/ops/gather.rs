//! Table look-up.

use super::arity;
use crate::{DType, Dim, Locality, Rule, Sizes, Type};

/// `out[t] = table[ids[t]]`: table (V, H), ids (T) of u32; result (T, H).
///
/// Ids are checked against V when a batch is made, not by kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Gather;

impl Rule for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        arity(x, 2, "table, ids")?;
        let ([Dim::Fixed(_), h], [n], DType::U32) = (&x[0].shape[..], &x[1].shape[..], x[1].dtype)
        else {
            return Err(format!("needs a table [V, H] and u32 ids, found {} and {}", x[0], x[1]));
        };
        Ok(Type::new([*n, *h], x[0].dtype))
    }

    fn locality(&self) -> Locality {
        Locality::TokenLocal
    }

    fn flops(&self, _: &[&Type], _: &Type, _: &Sizes) -> u64 {
        0
    }
}
