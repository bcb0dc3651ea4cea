//! Attention normalised over the queries.

use crate::{array::Array, real::Real, reference::Context};

pub(super) fn plain<R: Real>(ctx: &Context<'_>, x: &[&Array<R>], out: &mut Array<R>) {
    let (q, k, v) = (x[0], x[1], x[2]);
    let scale = R::of(1.0 / (q.width() as f64).sqrt());
    for row in ctx.rows.rows() {
        let (offset, length) = (row.offset as usize, row.length as usize);
        let mut p = vec![R::zero(); length];
        for j in offset..offset + length {
            for (i, p) in p.iter_mut().enumerate() {
                let dot = || q.row(offset + i).iter().zip(k.row(j));
                let masked = i >= row.valid as usize;
                *p = match masked {
                    true => R::zero(),
                    false => scale * dot().fold(R::zero(), |s, (&a, &b)| s + a * b),
                };
            }
            let top = p.iter().fold(R::of(f64::NEG_INFINITY), |m, &s| m.max(s));
            p.iter_mut().for_each(|p| *p = (*p - top).exp());
            let sum = p.iter().fold(R::zero(), |s, &p| s + p);
            for (i, &p) in p.iter().enumerate() {
                let y = out.row_mut(offset + i);
                y.iter_mut().zip(v.row(j)).for_each(|(y, &v)| *y += p / sum * v);
            }
        }
    }
}
