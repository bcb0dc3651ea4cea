//! Two long convolutions and the post-gate.

use super::long_conv::convolve;
use crate::{array::Array, real::Real, reference::Context};

pub(super) fn plain<R: Real>(ctx: &Context<'_>, x: &[&Array<R>], out: &mut Array<R>) {
    let (a, u, x2, spectrum) = (x[0], x[1], x[2], x[3]);
    let (first, second) = spectrum.data.split_at(spectrum.data.len() / 2);
    convolve(ctx, a, first, out);
    out.data.iter_mut().zip(&x2.data).for_each(|(y, &g)| *y = *y * g);
    convolve(ctx, u, second, out);
}
