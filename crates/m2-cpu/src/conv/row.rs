//! One pass over one signal of a group: gather, transform, multiply, transform back, hand over.

use super::LANES;
use super::fft::{Block, Middle, Transit};
use super::stage::{dft4, lanes, load_residues, load4, store_residues, turned_dft4};
use super::transform::{POINT, Transform};
use super::vector::{Cx, Task, Vector};
use std::marker::PhantomData;

/// Tokens fetched ahead: rows lie in different pages, which the hardware does not follow.
pub(super) const AHEAD: usize = 16;

/// Tokens that one part of the signal is read from.
#[derive(Clone, Copy)]
pub(super) struct Source {
    /// Channel 0 of the group at the first token.
    pub ptr: *const f32,
    /// Floats between tokens.
    pub stride: usize,
    /// Number of tokens.
    pub len: usize,
}

/// Reads `V::LANES` channels from lane `c`; with `FULL` false, lanes from `valid` on read as zero.
///
/// # Safety
/// The valid lanes of `p` are readable.
#[inline(always)]
pub(super) unsafe fn load_lanes<V: Vector, const FULL: bool>(
    p: *const f32,
    c: usize,
    valid: usize,
) -> V {
    // SAFETY: the caller's condition.
    unsafe {
        if FULL {
            return V::load(p.add(c));
        }
        let mut lanes = [0.0f32; LANES];
        std::ptr::copy_nonoverlapping(p, lanes.as_mut_ptr(), valid);
        V::load(lanes.as_ptr().add(c))
    }
}

/// Writes the valid ones of `V::LANES` channels from lane `c`.
///
/// # Safety
/// The valid lanes of `p` are writable.
#[inline(always)]
pub(super) unsafe fn store_lanes<V: Vector, const FULL: bool>(
    x: V,
    p: *mut f32,
    c: usize,
    valid: usize,
) {
    // SAFETY: the caller's condition.
    unsafe {
        if FULL {
            return x.store(p.add(c));
        }
        let mut lanes = [0.0f32; LANES];
        x.store(lanes.as_mut_ptr());
        for i in c..valid.min(c + V::LANES) {
            *p.add(i) = lanes[i - c];
        }
    }
}

/// Where the result of one signal goes.
pub(super) trait Sink<V: Vector> {
    /// Tokens to hand over.
    fn len(&self) -> usize;

    /// Hints that token `t`, which need not exist, comes soon.
    fn prefetch(&self, t: usize);

    /// Result at token `t`, lanes from `c`: the convolved real and imaginary parts.
    ///
    /// # Safety
    /// `t < len()`.
    unsafe fn put(&self, t: usize, c: usize, y: Cx<V>);
}

/// The pass over one signal. Running it is safe if the sources are readable, the sink may be
/// written, `work` is the work array of `transform`, and `middle` has all its records.
pub(super) struct Pass<'a, V, M, S, const FULL: bool> {
    pub transform: &'a Transform,
    pub work: *mut f32,
    pub re: Source,
    pub im: Option<Source>,
    /// Channels of the group that exist.
    pub valid: usize,
    /// Factor the filter carries on the real part of the result, taken back at the end.
    pub unscale: [f32; LANES],
    pub middle: M,
    pub sink: S,
    pub vector: PhantomData<V>,
}

impl<V: Vector, M: Middle<V>, S: Sink<V>, const FULL: bool> Task for Pass<'_, V, M, S, FULL> {
    #[inline(always)]
    unsafe fn run(mut self) {
        // SAFETY: the conditions of `Pass`.
        unsafe {
            let re = self.gather(Some(self.re), 0);
            let im = self.gather(self.im, LANES);
            let scale: [f32; LANES] = std::array::from_fn(|c| equaliser(re[c], im[c]));
            self.spread(&scale);
            middle_blocks::<V, M>(self.transform, self.work, &mut self.middle);
            self.collect(&std::array::from_fn(|c| self.unscale[c] / scale[c]));
        }
    }
}

impl<V: Vector, M: Middle<V>, S: Sink<V>, const FULL: bool> Pass<'_, V, M, S, FULL> {
    /// Copies the tokens of one part into the first half of the work array, zeros behind them;
    /// returns the largest magnitude of each channel.
    ///
    /// # Safety
    /// As `run`.
    #[inline(always)]
    unsafe fn gather(&self, source: Option<Source>, part: usize) -> [f32; LANES] {
        let q = self.transform.eighth();
        let mut largest = [V::splat(0.0); LANES / 4];
        let len = source.map_or(0, |source| source.len);
        for slot in 0..4 {
            let to = self.work.wrapping_add(slot * self.transform.slot() + part);
            let filled = len.saturating_sub(slot * q).min(q);
            if let Some(source) = source {
                let from = source.ptr.wrapping_add(slot * q * source.stride);
                for i in 0..filled {
                    let (from, to) =
                        (from.wrapping_add(i * source.stride), to.wrapping_add(i * POINT));
                    V::prefetch(from.wrapping_add(AHEAD * source.stride));
                    // SAFETY: a token below `len`, a point below the slot's q.
                    lanes::<V>(
                        #[inline(always)]
                        |c| unsafe {
                            let x = load_lanes::<V, FULL>(from, c, self.valid);
                            largest[c / V::LANES] = largest[c / V::LANES].max_abs(x);
                            x.store(to.add(c));
                        },
                    );
                }
            }
            for i in filled..q {
                // SAFETY: a point below the slot's q.
                lanes::<V>(
                    #[inline(always)]
                    |c| unsafe { V::splat(0.0).store(to.add(i * POINT + c)) },
                );
            }
        }
        let mut out = [0.0; LANES];
        // SAFETY: lanes of `out`.
        lanes::<V>(
            #[inline(always)]
            |c| unsafe { largest[c / V::LANES].store(out.as_mut_ptr().add(c)) },
        );
        out
    }

    /// First stage: four quarters of the signal become the eight residues of the frequency.
    ///
    /// # Safety
    /// As `run`.
    #[inline(always)]
    unsafe fn spread(&self, scale: &[f32; LANES]) {
        let (slot, edge) = (self.transform.slot(), self.transform.edge().as_ptr());
        for t in 0..self.transform.eighth() {
            let (p, w) = (self.work.wrapping_add(t * POINT), edge.wrapping_add(14 * t));
            // SAFETY: t is a point of every slot and a column of the table.
            lanes::<V>(
                #[inline(always)]
                |c| unsafe {
                    let p = p.add(c);
                    let scale = V::load(scale.as_ptr().add(c));
                    let mut x = load4::<V>(p, slot);
                    for x in &mut x {
                        x.re = x.re.mul(scale);
                    }
                    store_residues(dft4(x), turned_dft4(x), p, slot, w);
                },
            );
        }
    }

    /// Last stage: the four quarters of the result, handed to the sink.
    ///
    /// # Safety
    /// As `run`.
    #[inline(always)]
    unsafe fn collect(&self, unscale: &[f32; LANES]) {
        let (q, slot) = (self.transform.eighth(), self.transform.slot());
        let (edge, len) = (self.transform.edge().as_ptr(), self.sink.len());
        for t in 0..q.min(len) {
            for quarter in 0..4 {
                self.sink.prefetch(t + quarter * q + AHEAD);
            }
            let (p, w) = (self.work.wrapping_add(t * POINT), edge.wrapping_add(14 * t));
            // SAFETY: t is a point of every slot and a column of the table.
            lanes::<V>(
                #[inline(always)]
                |c| unsafe {
                    let p = p.add(c);
                    let unscale = V::load(unscale.as_ptr().add(c));
                    let [y, _] = load_residues::<V>(p, slot, w);
                    self.hand_over(t, c, y[0], unscale);
                    self.hand_over(t + q, c, y[1], unscale);
                    self.hand_over(t + 2 * q, c, y[2], unscale);
                    self.hand_over(t + 3 * q, c, y[3], unscale);
                },
            );
        }
    }

    /// Gives a result to the sink, if the row has that token.
    ///
    /// # Safety
    /// As `run`.
    #[inline(always)]
    unsafe fn hand_over(&self, t: usize, c: usize, y: Cx<V>, unscale: V) {
        if t < self.sink.len() {
            // SAFETY: t is a token of the sink.
            unsafe { self.sink.put(t, c, Cx { re: y.re.mul(unscale), im: y.im }) }
        }
    }
}

/// Everything between the first and the last stage.
///
/// # Safety
/// `work` is the work array of `transform`, and `middle` has all its records.
#[inline(always)]
pub(super) unsafe fn middle_blocks<V: Vector, M: Middle<V>>(
    transform: &Transform,
    work: *mut f32,
    middle: &mut M,
) {
    let slot = |i: usize| work.wrapping_add(i * transform.slot());
    let blocks = [
        Block::Origin(slot(0)),
        Block::Own(slot(1)),
        Block::Pair(slot(2), slot(3)),
        Block::Pair(slot(4), slot(7)),
        Block::Pair(slot(5), slot(6)),
    ];
    for block in blocks {
        let m = transform.eighth();
        // SAFETY: the slots are distinct blocks of m points; records by the caller.
        unsafe { V::vectorize(Transit { block, m, transform, middle, vector: PhantomData }) }
    }
}

/// The power of two that brings magnitude `from` near `to`; 1 where either is zero or not finite.
///
/// Without it the smaller part of a complex signal inherits the rounding errors of the larger.
pub(super) fn equaliser(from: f32, to: f32) -> f32 {
    if !(from > 0.0 && to > 0.0 && from.is_finite() && to.is_finite()) {
        return 1.0;
    }
    let exponent = |x: f32| (x.to_bits() >> 23) as i32;
    let difference = (exponent(to) - exponent(from)).clamp(-100, 100);
    f32::from_bits(((127 + difference) as u32) << 23)
}
