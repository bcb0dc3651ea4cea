//! M2-BERT's mixer of its parts.

use m2_ir::ops::{SequenceMixer, ShortConv};

use super::{conv_pair, long_conv, short_conv};
use crate::{array::Array, real::Real, reference::Context};

pub(super) fn plain<R: Real>(
    op: &SequenceMixer,
    ctx: &Context<'_>,
    x: &[&Array<R>],
    out: &mut Array<R>,
) {
    let mut c = Array::zeros(&x[0].shape);
    short_conv::plain(&ShortConv { taps: op.taps }, ctx, &x[..3], &mut c);
    let h = c.width() / 3;
    let part = |i: usize| Array {
        shape: out.shape.clone(),
        data: (0..c.rows()).flat_map(|t| c.row(t)[i * h..(i + 1) * h].iter().copied()).collect(),
    };
    let (x1, x2, mut a) = (part(0), part(1), part(2));
    a.data.iter_mut().zip(&x1.data).for_each(|(v, &g)| *v = *v * g);
    if op.residual {
        conv_pair::plain(ctx, &[&a, x[4], &x2, x[3]], out);
    } else {
        long_conv::plain(ctx, &[&a, x[3]], out);
        out.data.iter_mut().zip(&x2.data).for_each(|(y, &g)| *y = *y * g);
    }
}
