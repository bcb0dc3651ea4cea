//! Scaled scores of each token against its row's valid keys.

use m2_ir::ops::{AttentionScores, alibi_slopes};

use crate::{array::Array, real::Real, reference::Context};

pub(super) fn plain<R: Real>(
    op: &AttentionScores,
    ctx: &Context<'_>,
    x: &[&Array<R>],
    out: &mut Array<R>,
) {
    let (q, k) = (x[0], x[1]);
    let d = q.width() / op.heads;
    let scale = R::of(1.0 / (d as f64).sqrt());
    let slopes = alibi_slopes(op.heads);
    out.data.fill(R::of(f64::NEG_INFINITY));
    for row in ctx.rows.rows() {
        let offset = row.offset as usize;
        for t in 0..row.length as usize {
            for (head, &slope) in slopes.iter().enumerate() {
                let s = out.row_mut((offset + t) * op.heads + head);
                for (j, s) in s[..row.valid as usize].iter_mut().enumerate() {
                    let q = &q.row(offset + t)[head * d..(head + 1) * d];
                    let k = &k.row(offset + j)[head * d..(head + 1) * d];
                    *s = scale * q.iter().zip(k).fold(R::zero(), |s, (&a, &b)| s + a * b);
                    if op.alibi {
                        *s = *s - R::of(slope * t.abs_diff(j) as f64);
                    }
                }
            }
        }
    }
}
