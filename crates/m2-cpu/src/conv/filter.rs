//! From kernels in time to the spectra that the convolutions multiply with.

use super::LANES;
use super::fft::Middle;
use super::middle::{SplitPair, SplitSingle};
use super::row::{equaliser, middle_blocks};
use super::stage::{dft4, differences, lanes, load4, store_residues, sums, turned_dft4};
use super::transform::{POINT, Scratch, Transform};
use super::vector::{Task, Vector, dispatch};
use super::view::{Matrix, span};
use crate::isa::Isa;
use std::marker::PhantomData;

/// Which lag the first entry of the reverse kernel multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReverseLag {
    /// `k_rev[0]` multiplies the next token (M2-BERT).
    One,
    /// `k_rev[0]` multiplies the token itself, as `k[0]` does (safari's `fftconv`).
    Zero,
}

/// The filters of one long convolution, in time.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    /// `k`, (S, channels): lag s is row s.
    pub forward: Matrix<'a>,
    /// `k_rev`, (S, channels); `None` for a causal convolution.
    pub reverse: Option<Matrix<'a>>,
    /// The lag of `k_rev`'s first row.
    pub reverse_lag: ReverseLag,
    /// S: rows of both kernels. Rows beyond the transform's length are not used; missing ones are
    /// zeros.
    pub len: usize,
    /// `D`, (channels).
    pub skip: Option<&'a [f32]>,
}

impl Filter<'_> {
    pub(super) fn check(&self, name: &str, channels: usize) {
        self.forward.check(name, self.len, channels);
        if let Some(reverse) = self.reverse {
            reverse.check(name, self.len, channels);
        }
        if let Some(skip) = self.skip {
            assert!(skip.len() >= channels, "{name}: D has {} of {channels} channels", skip.len());
        }
    }

    /// Calls `f(index, values, channels)` for every row of the kernel on the circle of 2·`len`
    /// lags, where lag −m is index 2·`len` − m.
    fn for_each_lag(
        &self,
        len: usize,
        first: usize,
        valid: usize,
        mut f: impl FnMut(usize, &[f32]),
    ) {
        // SAFETY: `check` has seen that `self.len` tokens with these channels are readable.
        let row = |m: &Matrix<'_>, j: usize| unsafe {
            std::slice::from_raw_parts(m.at(j).wrapping_add(first), valid)
        };
        for j in 0..self.len.min(len) {
            f(j, row(&self.forward, j));
        }
        if let Some(reverse) = &self.reverse {
            let lag0 = match self.reverse_lag {
                ReverseLag::One => 1,
                ReverseLag::Zero => 0,
            };
            for j in 0..self.len.min(len - lag0) {
                f((2 * len - lag0 - j) % (2 * len), row(reverse, j));
            }
        }
        if let Some(skip) = self.skip {
            f(0, &skip[first..first + valid]);
        }
    }

    /// Σ|k| of each channel: a bound of the gain.
    fn gain(&self, len: usize, first: usize, valid: usize) -> [f32; LANES] {
        let mut gain = [0.0; LANES];
        self.for_each_lag(len, first, valid, |_, k| {
            for (gain, k) in gain.iter_mut().zip(k) {
                *gain += k.abs();
            }
        });
        gain
    }

    /// Adds the circular kernel times `scale` to one part of the work array.
    ///
    /// # Safety
    /// `work` is the work array of `transform`.
    unsafe fn place(
        &self,
        transform: &Transform,
        work: *mut f32,
        (first, valid): (usize, usize),
        scale: &[f32; LANES],
    ) {
        let q = transform.eighth();
        self.for_each_lag(transform.len(), first, valid, |index, k| {
            let at = index / q * transform.slot() + index % q * POINT;
            for (c, (k, scale)) in k.iter().zip(scale).enumerate() {
                // SAFETY: index is below 8q.
                unsafe { *work.add(at + c) += k * scale }
            }
        });
    }
}

/// Writes group `group` of the spectrum of two convolutions over `channels` channels to `out`,
/// [`Transform::pair_group_len`] floats: the filters' scale, then the records.
///
/// The two filters are brought to similar size by a power of two per channel, so that neither
/// result inherits the rounding errors of the other.
///
/// # Panics
/// If the filters have fewer channels or rows than stated, `out` has another length, or `scratch`
/// is that of a smaller transform.
#[expect(clippy::too_many_arguments, reason = "the group's place and its four buffers")]
pub fn build_pair_group(
    isa: Isa,
    transform: &Transform,
    group: usize,
    channels: usize,
    first: &Filter<'_>,
    second: &Filter<'_>,
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    first.check("first filter", channels);
    second.check("second filter", channels);
    assert_eq!(out.len(), transform.pair_group_len(), "floats of a pair group");
    let at = span(group, channels);
    let work = clear(transform, scratch);
    let (gain1, gain2) =
        (first.gain(transform.len(), at.0, at.1), second.gain(transform.len(), at.0, at.1));
    let scale: [f32; LANES] = std::array::from_fn(|c| equaliser(gain1[c], gain2[c]));
    let (head, records) = out.split_at_mut(LANES);
    for (head, scale) in head.iter_mut().zip(scale) {
        *head = 1.0 / scale;
    }
    let middle = SplitPair { to: records.as_mut_ptr(), scale: share(transform) };
    // SAFETY: the parts of the work array; the instruction set by the value of `isa`; the records
    // fill `out`.
    unsafe {
        first.place(transform, work, at, &scale);
        second.place(transform, work.add(LANES), at, &[1.0; LANES]);
        dispatch!(isa, V => V::vectorize(Build::<V, _> { transform, work, middle, vector: PhantomData }));
    }
}

/// Writes group `group` of the spectrum of one convolution over `channels` channels to `out`,
/// [`Transform::single_group_len`] floats.
///
/// # Panics
/// As [`build_pair_group`].
pub fn build_single_group(
    isa: Isa,
    transform: &Transform,
    group: usize,
    channels: usize,
    filter: &Filter<'_>,
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    filter.check("filter", channels);
    assert_eq!(out.len(), transform.single_group_len(), "floats of a group");
    let at = span(group, channels);
    let work = clear(transform, scratch);
    let middle = SplitSingle { to: out.as_mut_ptr(), scale: share(transform) };
    // SAFETY: as in `build_pair_group`.
    unsafe {
        filter.place(transform, work, at, &[1.0; LANES]);
        dispatch!(isa, V => V::vectorize(Build::<V, _> { transform, work, middle, vector: PhantomData }));
    }
}

/// What the inverse transform of 2·len points needs as its factor.
fn share(transform: &Transform) -> f32 {
    1.0 / (2 * transform.len()) as f32
}

/// The work array, filled with zeros.
fn clear(transform: &Transform, scratch: &mut Scratch) -> *mut f32 {
    let work = scratch.start(transform);
    // SAFETY: `start` has seen that the array is that long.
    unsafe { std::slice::from_raw_parts_mut(work, transform.scratch_len()).fill(0.0) }
    work
}

/// Transforms a circular kernel in the work array. Running it is safe if `work` is the work array
/// of `transform` and `middle` has room for all records.
struct Build<'a, V, M> {
    transform: &'a Transform,
    work: *mut f32,
    middle: M,
    vector: PhantomData<V>,
}

impl<V: Vector, M: Middle<V>> Task for Build<'_, V, M> {
    #[inline(always)]
    unsafe fn run(mut self) {
        let (slot, edge) = (self.transform.slot(), self.transform.edge().as_ptr());
        for t in 0..self.transform.eighth() {
            let (p, w) = (self.work.wrapping_add(t * POINT), edge.wrapping_add(14 * t));
            // SAFETY: t is a point of every slot and a column of the table.
            lanes::<V>(
                #[inline(always)]
                |c| unsafe {
                    let p = p.add(c);
                    let (a, b) = (load4::<V>(p, slot), load4::<V>(p.add(4 * slot), slot));
                    let (even, odd) = (dft4(sums(a, b)), turned_dft4(differences(a, b)));
                    store_residues(even, odd, p, slot, w);
                },
            );
        }
        // SAFETY: the conditions of `Build`.
        unsafe { middle_blocks::<V, M>(self.transform, self.work, &mut self.middle) }
    }
}
