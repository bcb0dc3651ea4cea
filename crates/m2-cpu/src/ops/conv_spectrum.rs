//! The plain form of a spectrum is the kernel itself, by lag.
//!
//! For each convolution two halves of (L, H): lags 0, 1, … with D added to lag 0, then lags
//! −1, −2, …. That is as much information as a spectrum, and no transform stands between the
//! definition and its oracle.

use std::sync::Mutex;

use m2_ir::ops::{ConvSpectrum, ReverseLag};

use crate::{
    Error,
    array::Array,
    conv::{self, Filter, Matrix},
    engine::{Machine, Run, View},
    pool::lock,
    real::Real,
};

pub(super) fn plain<R: Real>(op: &ConvSpectrum, x: &[&Array<R>], out: &mut Array<R>) {
    let n = op.operands();
    let half = x[0].data.len();
    let h = x[0].width();
    for (one, lags) in x.chunks(n).zip(out.data.chunks_mut(2 * half)) {
        let (forward, backward) = lags.split_at_mut(half);
        forward.copy_from_slice(&one[0].data);
        forward.iter_mut().zip(&one[n - 1].data).for_each(|(v, &d)| *v += d);
        match op.reverse {
            None => {}
            Some(ReverseLag::Next) => backward.copy_from_slice(&one[1].data),
            Some(ReverseLag::Current) => {
                forward.iter_mut().zip(&one[1].data[..h.min(half)]).for_each(|(v, &k)| *v += k);
                let rest = &one[1].data[h.min(half)..];
                backward[..rest.len()].copy_from_slice(rest);
            }
        }
    }
}

/// Spectra for the FFT convolutions, group by group.
pub(crate) fn fast(
    machine: &Machine<'_>,
    op: &ConvSpectrum,
    run: &Run<'_>,
    x: &[View<'_>],
    out: &mut [f32],
) -> Result<(), Error> {
    let (transform, scratch) = (&*run.workspace.transform, &run.workspace.conv);
    let (n, span) = (op.operands(), run.sizes.span);
    let channels = x[0].width;
    let (first, second) = x.split_at(n);
    let len = if op.pair { transform.pair_group_len() } else { transform.single_group_len() };
    let groups: Vec<Mutex<&mut [f32]>> = out.chunks_exact_mut(len).map(Mutex::new).collect();
    machine.pool.run(conv::groups(channels), &|group, thread| {
        let mut scratch = lock(&scratch[thread]);
        let mut out = lock(&groups[group]);
        let (isa, first) = (machine.isa, filter(op, span, first));
        if op.pair {
            let second = filter(op, span, second);
            conv::build_pair_group(
                isa,
                transform,
                group,
                channels,
                &first,
                &second,
                &mut scratch,
                &mut out,
            );
        } else {
            conv::build_single_group(
                isa,
                transform,
                group,
                channels,
                &first,
                &mut scratch,
                &mut out,
            );
        }
    });
    Ok(())
}

/// One convolution's kernels: k, [k_rev], D.
fn filter<'a>(op: &ConvSpectrum, span: usize, x: &[View<'a>]) -> Filter<'a> {
    Filter {
        forward: Matrix::new(x[0].data, x[0].stride),
        reverse: op.reverse.map(|_| Matrix::new(x[1].data, x[1].stride)),
        reverse_lag: match op.reverse {
            Some(ReverseLag::Current) => conv::ReverseLag::Zero,
            Some(ReverseLag::Next) | None => conv::ReverseLag::One,
        },
        len: span,
        skip: Some(x[op.operands() - 1].data),
    }
}
