//! The plain form of a spectrum is the kernel itself, by lag.
//!
//! For each convolution two halves of (L, H): lags 0, 1, … with D added to lag 0, then lags
//! −1, −2, …. That is as much information as a spectrum, and no transform stands between the
//! definition and its oracle.

use m2_ir::ops::{ConvSpectrum, ReverseLag};

use crate::{array::Array, real::Real};

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
