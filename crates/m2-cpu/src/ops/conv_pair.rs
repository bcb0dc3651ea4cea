//! Two long convolutions and the post-gate.

use super::long_conv::convolve;
use crate::{
    Error,
    array::Array,
    conv::{self, Matrix, MatrixMut, PairOperands},
    engine::{Machine, Run, View},
    pool::lock,
    real::Real,
    reference::Context,
};

pub(super) fn plain<R: Real>(ctx: &Context<'_>, x: &[&Array<R>], out: &mut Array<R>) {
    let (a, u, x2, spectrum) = (x[0], x[1], x[2], x[3]);
    let (first, second) = spectrum.data.split_at(spectrum.data.len() / 2);
    convolve(ctx, a, first, out);
    out.data.iter_mut().zip(&x2.data).for_each(|(y, &g)| *y = *y * g);
    convolve(ctx, u, second, out);
}

/// Both convolutions as one transform pair, group by group.
pub(crate) fn fast(
    machine: &Machine<'_>,
    run: &Run<'_>,
    x: &[View<'_>],
    out: &mut [f32],
) -> Result<(), Error> {
    let (channels, spectrum) = (x[0].width, x[3].data);
    let (transform, scratch) = (&*run.workspace.transform, &run.workspace.conv);
    let len = transform.pair_group_len();
    let rows = conv::rows(run.batch.rows());
    let matrix = |i: usize| Matrix::new(x[i].data, x[i].stride);
    let operands = PairOperands {
        a: matrix(0),
        u: matrix(1),
        x2: Some(matrix(2)),
        y: MatrixMut::new(out, channels),
    };
    machine.pool.run(conv::groups(channels), &|group, thread| {
        let mut scratch = lock(&scratch[thread]);
        let spectrum = &spectrum[group * len..][..len];
        // SAFETY: each group is one task, and only it touches its columns of y.
        unsafe {
            conv::conv_pair_group(
                machine.isa,
                transform,
                group,
                channels,
                &rows,
                operands,
                spectrum,
                &mut scratch,
            );
        }
    });
    Ok(())
}
