//! The long convolution as its defining sum.

use crate::{
    Error,
    array::Array,
    conv::{self, Matrix, MatrixMut, SingleOperands},
    engine::{Machine, Run, View},
    pool::lock,
    real::Real,
    reference::Context,
};

pub(super) fn plain<R: Real>(ctx: &Context<'_>, x: &[&Array<R>], out: &mut Array<R>) {
    convolve(ctx, x[0], &x[1].data, out);
}

/// Adds the convolution of `x` with kernels by lag (see `conv_spectrum`) to `out`.
///
/// Channels go in small groups, so that a group's kernels and signal stay in cache.
pub(super) fn convolve<R: Real>(ctx: &Context<'_>, x: &Array<R>, lags: &[R], out: &mut Array<R>) {
    const GROUP: usize = 32;
    let h = x.width();
    let (forward, backward) = lags.split_at(lags.len() / 2);
    for row in ctx.rows.rows() {
        let (offset, len) = (row.offset as usize, row.length as usize);
        for from in (0..h).step_by(GROUP) {
            let to = (from + GROUP).min(h);
            for t in 0..len {
                let y = &mut out.data[(offset + t) * h..][from..to];
                for s in 0..len {
                    let x = &x.data[(offset + s) * h..][from..to];
                    let k = if s <= t {
                        &forward[(t - s) * h..][from..to]
                    } else {
                        &backward[(s - t - 1) * h..][from..to]
                    };
                    y.iter_mut().zip(x).zip(k).for_each(|((y, &x), &k)| *y += k * x);
                }
            }
        }
    }
}

/// The convolution by FFT, group by group.
pub(crate) fn fast(
    machine: &Machine<'_>,
    run: &Run<'_>,
    x: &[View<'_>],
    out: &mut [f32],
) -> Result<(), Error> {
    let (channels, spectrum) = (x[0].width, x[1].data);
    let (transform, scratch) = (&*run.workspace.transform, &run.workspace.conv);
    let len = transform.single_group_len();
    let rows = conv::rows(run.batch.rows());
    let operands = SingleOperands {
        x: Matrix::new(x[0].data, x[0].stride),
        gate: None,
        y: MatrixMut::new(out, channels),
    };
    machine.pool.run(conv::groups(channels), &|group, thread| {
        let mut scratch = lock(&scratch[thread]);
        let spectrum = &spectrum[group * len..][..len];
        // SAFETY: each group is one task, and only it touches its columns of y.
        unsafe {
            conv::conv_single_group(
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
