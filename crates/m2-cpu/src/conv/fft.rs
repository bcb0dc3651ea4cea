//! The transforms: decimation in frequency down to blocks of four points, a step between the two
//! transforms there, decimation in time back up. Nothing is ever reordered.
//!
//! Outputs of every stage are stored in bit-reversed order of the frequency's residue, so position
//! p of the finished transform holds frequency bitrev(p), and the position of the opposite
//! frequency is the mirror image of p inside the octave [2^k, 2^{k+1}) that holds it (0 and 1 are
//! their own). Hence blocks pair with blocks, and forward, middle and inverse of one pair of blocks
//! follow each other while both lie in the cache.

use super::stage::{dft4, forward_stage, idft4, inverse_stage, lanes, load4, store4};
use super::transform::{POINT, Transform, stage_radix};
use super::vector::{Cx, Task, Vector};
use std::marker::PhantomData;

/// Largest block (points) that is processed stage by stage: two of them, 128 B a point, fit L1.
const BASE: usize = 64;

/// What happens to the frequencies between the forward and the inverse transform.
///
/// Frequencies come in records; one record serves a frequency and its opposite.
pub(super) trait Middle<V: Vector> {
    /// Whether the inverse transform follows.
    const INVERSE: bool;

    /// Record `r` from the cursor, lanes from `c`: `z` at a frequency and `s` at its opposite.
    ///
    /// # Safety
    /// The record exists.
    unsafe fn pair(&mut self, r: usize, c: usize, z: Cx<V>, s: Cx<V>) -> (Cx<V>, Cx<V>);

    /// Record `r` from the cursor: `z` at frequency 0 and `s` at the one half-way round, each of
    /// which is its own opposite.
    ///
    /// # Safety
    /// The record exists.
    unsafe fn reals(&mut self, r: usize, c: usize, z: Cx<V>, s: Cx<V>) -> (Cx<V>, Cx<V>);

    /// Moves the cursor.
    fn advance(&mut self, records: usize);
}

/// All stages of a block of at most [`BASE`] points, down to blocks of four.
///
/// # Safety
/// As [`forward_stage`].
#[inline(always)]
unsafe fn forward_base<V: Vector>(x: *mut f32, m: usize, t: &Transform) {
    let mut size = m;
    while size > 4 {
        for block in (0..m).step_by(size) {
            // SAFETY: the block lies inside the m points.
            unsafe { forward_stage::<V>(x.add(block * POINT), size, t) }
        }
        size /= stage_radix(size);
    }
}

/// The inverse of [`forward_base`] times m / 4.
///
/// # Safety
/// As [`forward_stage`].
#[inline(always)]
unsafe fn inverse_base<V: Vector>(x: *mut f32, m: usize, t: &Transform) {
    let mut size = 4;
    while size < m {
        // 32 = 8·4 and 8 = 2·4; every other size is four times the one below.
        size = if m.ilog2() % 2 == 1 && size == 4 { m.min(32) } else { 4 * size };
        for block in (0..m).step_by(size) {
            // SAFETY: the block lies inside the m points.
            unsafe { inverse_stage::<V>(x.add(block * POINT), size, t) }
        }
    }
}

/// Middle step of two mirrored blocks of four points.
///
/// # Safety
/// Both are blocks of four points, and four records follow.
#[inline(always)]
unsafe fn leaf_pair<V: Vector, M: Middle<V>>(a: *mut f32, b: *mut f32, middle: &mut M) {
    // SAFETY: the caller's condition.
    lanes::<V>(
        #[inline(always)]
        |c| unsafe {
            let (a, b) = (a.add(c), b.add(c));
            let [a0, a1, a2, a3] = dft4(load4::<V>(a, POINT));
            let [b0, b1, b2, b3] = dft4(load4::<V>(b, POINT));
            let (a0, b3) = middle.pair(0, c, a0, b3);
            let (a1, b2) = middle.pair(1, c, a1, b2);
            let (a2, b1) = middle.pair(2, c, a2, b1);
            let (a3, b0) = middle.pair(3, c, a3, b0);
            if M::INVERSE {
                store4(idft4([a0, a1, a2, a3]), a, POINT);
                store4(idft4([b0, b1, b2, b3]), b, POINT);
            }
        },
    );
    middle.advance(4);
}

/// Middle step of the first four points of the whole (`ORIGIN`) or of four points that are their
/// own mirror image.
///
/// # Safety
/// `a` is a block of four points, and two records follow.
#[inline(always)]
unsafe fn leaf_single<V: Vector, M: Middle<V>, const ORIGIN: bool>(a: *mut f32, middle: &mut M) {
    // SAFETY: the caller's condition.
    lanes::<V>(
        #[inline(always)]
        |c| unsafe {
            let a = a.add(c);
            let [a0, a1, a2, a3] = dft4(load4::<V>(a, POINT));
            let (a0, a1, a2, a3) = if ORIGIN {
                let (a0, a1) = middle.reals(0, c, a0, a1);
                let (a2, a3) = middle.pair(1, c, a2, a3);
                (a0, a1, a2, a3)
            } else {
                let (a0, a3) = middle.pair(0, c, a0, a3);
                let (a1, a2) = middle.pair(1, c, a1, a2);
                (a0, a1, a2, a3)
            };
            if M::INVERSE {
                store4(idft4([a0, a1, a2, a3]), a, POINT);
            }
        },
    );
    middle.advance(2);
}

/// How the frequencies of a block meet their opposites.
#[derive(Clone, Copy)]
pub(super) enum Block {
    /// The first block of the whole: frequency 0, then octaves.
    Origin(*mut f32),
    /// A block that is its own mirror image.
    Own(*mut f32),
    /// Two blocks, one the mirror image of the other.
    Pair(*mut f32, *mut f32),
}

/// Forward transform, middle step and inverse transform of a block of `m` points, depth first.
///
/// Running it is safe if the pointers are distinct blocks of m ≥ 4 points, m a power of two up to
/// `transform.len()`, and the middle step has a record for every two points.
pub(super) struct Transit<'a, V, M> {
    pub block: Block,
    pub m: usize,
    pub transform: &'a Transform,
    pub middle: &'a mut M,
    pub vector: PhantomData<V>,
}

impl<V: Vector, M: Middle<V>> Task for Transit<'_, V, M> {
    #[inline(always)]
    unsafe fn run(self) {
        // SAFETY: the conditions of `Transit`; quarters of a block are blocks.
        unsafe { if self.m <= BASE { self.base() } else { self.split() } }
    }
}

impl<V: Vector, M: Middle<V>> Transit<'_, V, M> {
    /// # Safety
    /// As `run`.
    #[inline(always)]
    unsafe fn base(self) {
        let Self { block, m, transform: t, middle, .. } = self;
        let at = |x: *mut f32, i: usize| x.wrapping_add(i * POINT);
        // SAFETY: every block of four lies inside the m points.
        unsafe {
            let (a, b) = block.parts();
            forward_base::<V>(a, m, t);
            if let Some(b) = b {
                forward_base::<V>(b, m, t);
            }
            match block {
                Block::Pair(a, b) => {
                    for i in (0..m).step_by(4) {
                        leaf_pair::<V, M>(at(a, i), at(b, m - 4 - i), middle);
                    }
                }
                Block::Own(a) => own_leaves::<V, M>(a, m, middle),
                Block::Origin(a) => {
                    leaf_single::<V, M, true>(a, middle);
                    let mut octave = 4;
                    while octave < m {
                        own_leaves::<V, M>(at(a, octave), octave, middle);
                        octave *= 2;
                    }
                }
            }
            if M::INVERSE {
                inverse_base::<V>(a, m, t);
                if let Some(b) = b {
                    inverse_base::<V>(b, m, t);
                }
            }
        }
    }

    /// # Safety
    /// As `run`.
    #[inline(always)]
    unsafe fn split(self) {
        let Self { block, m, transform, middle, .. } = self;
        let (a, b) = block.parts();
        let quarter = |x: *mut f32, i: usize| x.wrapping_add(i * m / 4 * POINT);
        // SAFETY: the quarters are distinct blocks of m / 4 points.
        unsafe {
            forward_stage::<V>(a, m, transform);
            if let Some(b) = b {
                forward_stage::<V>(b, m, transform);
            }
            let mut visit = |block| {
                let m = m / 4;
                V::vectorize(Transit {
                    block,
                    m,
                    transform,
                    middle: &mut *middle,
                    vector: PhantomData,
                });
            };
            match block {
                Block::Pair(a, b) => {
                    for i in 0..4 {
                        visit(Block::Pair(quarter(a, i), quarter(b, 3 - i)));
                    }
                }
                Block::Own(a) => {
                    visit(Block::Pair(quarter(a, 0), quarter(a, 3)));
                    visit(Block::Pair(quarter(a, 1), quarter(a, 2)));
                }
                Block::Origin(a) => {
                    visit(Block::Origin(a));
                    visit(Block::Own(quarter(a, 1)));
                    visit(Block::Pair(quarter(a, 2), quarter(a, 3)));
                }
            }
            if M::INVERSE {
                inverse_stage::<V>(a, m, transform);
                if let Some(b) = b {
                    inverse_stage::<V>(b, m, transform);
                }
            }
        }
    }
}

impl Block {
    #[inline(always)]
    fn parts(self) -> (*mut f32, Option<*mut f32>) {
        match self {
            Self::Origin(a) | Self::Own(a) => (a, None),
            Self::Pair(a, b) => (a, Some(b)),
        }
    }
}

/// Leaves of a block of `m` points that is its own mirror image.
///
/// # Safety
/// As [`Transit`].
#[inline(always)]
unsafe fn own_leaves<V: Vector, M: Middle<V>>(a: *mut f32, m: usize, middle: &mut M) {
    // SAFETY: every block of four lies inside the m points.
    unsafe {
        if m == 4 {
            leaf_single::<V, M, false>(a, middle);
        }
        for i in (0..m / 2).step_by(4).take(m / 8) {
            leaf_pair::<V, M>(a.add(i * POINT), a.add((m - 4 - i) * POINT), middle);
        }
    }
}
