//! The tables of one transform size: what every channel and every layer of that size shares.

use super::LANES;
use crate::aligned::{AlignedVec, OutOfMemory};

/// Floats of one complex point of a group: `LANES` real parts, then `LANES` imaginary parts.
pub(super) const POINT: usize = 2 * LANES;
/// Points between two eighths of the work array beyond their own length, so that eight streams do
/// not fall into the same cache sets.
const SLOT_PAD: usize = 3;
/// Smallest transform; shorter classes are served by it.
const MIN_LEN: usize = 16;

/// Twiddle tables and sizes of the transforms that serve rows of up to [`Transform::len`] tokens.
///
/// All roots are computed in f64 and rounded once. Build one per size and share it (`Arc`).
#[derive(Debug)]
pub struct Transform {
    len: usize,
    /// `w^{rt}`, r = 1..8, for t in `0..len / 4`, w the 2·len-th root: 14 floats a column.
    edge: Vec<f32>,
    /// By log2 of the stage's size; see [`stage_radix`].
    stages: Vec<Vec<f32>>,
}

/// Radix of the stage that splits blocks of `size` points: 4 wherever possible, one 8 where the
/// logarithm is odd, 2 only for a whole array of 8 points.
pub(super) fn stage_radix(size: usize) -> usize {
    match size {
        8 => 2,
        32 => 8,
        _ => 4,
    }
}

impl Transform {
    /// Tables for the class `span`: rows of up to `span` tokens. The class is rounded up to a power
    /// of two, at least 16.
    pub fn new(span: usize) -> Self {
        let len = Self::class_len(span);
        let edge = roots(2 * len, 8, len / 4);
        let stages = (0..=len.ilog2())
            .map(|log| {
                let size = 1usize << log;
                let columns = size / stage_radix(size).min(size);
                if size < 8 { Vec::new() } else { roots(size, stage_radix(size), columns) }
            })
            .collect();
        Self { len, edge, stages }
    }

    /// Longest row served, and half the length of the zero-padded transform.
    #[expect(clippy::len_without_is_empty, reason = "a transform is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Floats of one group of a spectrum for the class `span`, of one convolution or a pair.
    pub fn group_len(span: usize, pair: bool) -> usize {
        let len = Self::class_len(span);
        if pair { LANES + 4 * LANES * len } else { 2 * LANES * len }
    }

    /// Floats of one group of a spectrum of two convolutions.
    pub fn pair_group_len(&self) -> usize {
        Self::group_len(self.len, true)
    }

    /// Floats of one group of a spectrum of one convolution.
    pub fn single_group_len(&self) -> usize {
        Self::group_len(self.len, false)
    }

    fn class_len(span: usize) -> usize {
        span.next_power_of_two().max(MIN_LEN)
    }

    /// Floats of the work array: 2·len points and the gaps between the eighths.
    pub(super) fn scratch_len(&self) -> usize {
        8 * self.slot()
    }

    /// Points in one eighth of the zero-padded signal.
    pub(super) fn eighth(&self) -> usize {
        self.len / 4
    }

    /// Floats from one eighth to the next in the work array.
    pub(super) fn slot(&self) -> usize {
        (self.eighth() + SLOT_PAD) * POINT
    }

    pub(super) fn edge(&self) -> &[f32] {
        &self.edge
    }

    /// Twiddles of the stage that splits blocks of `size` points.
    #[inline(always)]
    pub(super) fn stage(&self, size: usize) -> &[f32] {
        &self.stages[size.trailing_zeros() as usize]
    }
}

/// `w^{rj}` for j in `0..columns`, r in `1..radix`, w = exp(−2πi/size), as (re, im).
fn roots(size: usize, radix: usize, columns: usize) -> Vec<f32> {
    let mut table = Vec::with_capacity(2 * (radix - 1) * columns);
    for j in 0..columns {
        for r in 1..radix {
            let angle = -2.0 * std::f64::consts::PI * (r * j % size) as f64 / size as f64;
            table.extend([angle.cos() as f32, angle.sin() as f32]);
        }
    }
    table
}

/// The work array of one thread.
#[derive(Debug)]
pub struct Scratch(AlignedVec<f32>);

impl Scratch {
    /// A work array for `transform` and every smaller one: about 256·len bytes.
    ///
    /// # Errors
    /// [`OutOfMemory`] where the allocator refuses.
    pub fn new(transform: &Transform) -> Result<Self, OutOfMemory> {
        Ok(Self(AlignedVec::try_zeroed(transform.scratch_len())?))
    }

    /// The start of the work array, checked to be large enough for `transform`.
    pub(super) fn start(&mut self, transform: &Transform) -> *mut f32 {
        assert!(self.0.len() >= transform.scratch_len(), "work array of a smaller transform");
        self.0.as_mut_ptr()
    }

    /// Fills the array with NaN, so that a test sees a read of anything not written.
    #[cfg(test)]
    pub(super) fn poison(&mut self) {
        self.0.fill(f32::NAN);
    }
}
