//! Mean over each row's valid tokens.

use crate::{array::Array, real::Real, reference::Context};

pub(super) fn plain<R: Real>(ctx: &Context<'_>, x: &Array<R>, out: &mut Array<R>) {
    for (i, row) in ctx.rows.rows().iter().enumerate() {
        let y = out.row_mut(i);
        for t in 0..row.valid as usize {
            y.iter_mut().zip(x.row(row.offset as usize + t)).for_each(|(y, &v)| *y += v);
        }
        let n = R::of(f64::from(row.valid.max(1)));
        y.iter_mut().for_each(|v| *v = *v / n);
    }
}
