//! Table look-up.

use crate::{array::Array, real::Real};

pub(super) fn plain<R: Real>(x: &[&Array<R>], out: &mut Array<R>) {
    for (i, id) in x[1].data.iter().enumerate() {
        out.row_mut(i).copy_from_slice(x[0].row(id.f64() as usize));
    }
}
