//! Values weighted by probabilities.

use crate::{array::Array, real::Real, reference::Context};

pub(super) fn plain<R: Real>(ctx: &Context<'_>, x: &[&Array<R>], out: &mut Array<R>) {
    let (p, v) = (x[0], x[1]);
    let heads = p.shape[1];
    let d = v.width() / heads;
    for row in ctx.rows.rows() {
        let offset = row.offset as usize;
        for t in 0..row.length as usize {
            for head in 0..heads {
                let p = &p.row((offset + t) * heads + head)[..row.valid as usize];
                let y = &mut out.row_mut(offset + t)[head * d..(head + 1) * d];
                for (j, &p) in p.iter().enumerate() {
                    let v = &v.row(offset + j)[head * d..(head + 1) * d];
                    y.iter_mut().zip(v).for_each(|(y, &v)| *y += p * v);
                }
            }
        }
    }
}
