//! The micro-kernel and the loop over one tile.

use super::{MC, PackedA, PackedB};
use crate::isa::multiversion;
use crate::simd::{Simd, prefetch};

/// Terms between two looks at the prefetch.
const UNROLL: usize = 4;

/// Multiplies the columns `column..column + b.k()` of a packed block with one panel:
/// `out[r * NR + c] = Σ a[r][column + i] · w[panel * NR + c][i]`, added to what `out` holds where
/// `accumulate` is set.
///
/// `out` is a tile of `a.rows()` rows with stride `NR` ([`PackedB::nr`]); the columns past the
/// panel's last get zeros added where a is finite, and mean nothing. The next panel's values are
/// fetched meanwhile.
///
/// # Panics
/// Where a and b are packed for different instruction sets, or the columns, the panel or the tile
/// are too few.
pub fn tile(
    a: &PackedA,
    column: usize,
    b: &PackedB,
    panel: usize,
    out: &mut [f32],
    accumulate: bool,
) {
    assert_eq!(a.isa(), b.isa(), "instruction sets of the two packed operands");
    assert!(column + b.k() <= a.k(), "the product needs {} columns of {}", b.k(), a.k());
    assert!(panel < b.panels(), "panel {panel} of {}", b.panels());
    let nr = b.nr();
    let rows = a.rows();
    let out = &mut out[..rows * nr];
    if b.k() == 0 || rows == 0 {
        if !accumulate {
            out.fill(0.0);
        }
        return;
    }
    let (a, group) = a.at_column(column);
    let job = Job { a, group, rows, b: b.at_panel(panel), k: b.k(), accumulate };
    run(b.isa(), job, out);
}

/// What [`run`] multiplies; `b` goes on after the panel, for the prefetch.
struct Job<'a> {
    a: &'a [f32],
    group: usize,
    rows: usize,
    b: &'a [f32],
    k: usize,
    accumulate: bool,
}

multiversion! {
    fn run(job: Job<'_>, out: &mut [f32]) => run_body
}

#[inline(always)]
fn run_body<S: Simd>(job: Job<'_>, out: &mut [f32]) {
    let Job { a, group, rows, b, k, accumulate } = job;
    let groups = rows.div_ceil(S::MR);
    // What the kernel's pointers rely on.
    assert!(rows <= MC && k > 0 && out.len() >= rows * S::NR && b.len() >= k * S::NR);
    assert!(a.len() >= (groups - 1) * group + k * S::MR);
    let mut start = 0;
    while start < k {
        let len = S::KC.min(k - start);
        let block = b[start * S::NR..].as_ptr();
        // The next block follows in memory. Its lines are shared out to the row groups.
        let lines = (S::KC * S::NR).div_ceil(16 * groups);
        let next = block.wrapping_add(len * S::NR);
        for index in 0..groups {
            let first = index * S::MR;
            // SAFETY: the assertions above: group `index` holds k × MR values, the panel k × NR,
            // the tile `rows` × NR, and `start + len <= k`.
            unsafe {
                let call = Call {
                    len,
                    a: a.as_ptr().add(index * group + start * S::MR),
                    b: block,
                    c: out.as_mut_ptr().add(first * S::NR),
                    load: accumulate || start > 0,
                    next: next.wrapping_add(index * lines * 16),
                    lines,
                };
                micro_rows::<S>(rows - first, call);
            }
        }
        start += len;
    }
}

/// One call of the micro-kernel.
#[derive(Clone, Copy)]
struct Call {
    len: usize,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    /// Start from the tile's values instead of zero.
    load: bool,
    /// The first cache line to fetch ahead, and how many.
    next: *const f32,
    lines: usize,
}

/// Runs the kernel for the rows that exist: a last group of one row must not cost eight.
///
/// # Safety
/// As [`micro`].
#[inline(always)]
unsafe fn micro_rows<S: Simd>(rows: usize, call: Call) {
    // SAFETY: passed on; fewer rows touch less.
    unsafe {
        match (S::NV, S::MR, rows) {
            (3, 8, 8..) => micro::<S, 8, 3>(call),
            (3, 8, 7) => micro::<S, 7, 3>(call),
            (3, 8, 6) => micro::<S, 6, 3>(call),
            (3, 8, 5) => micro::<S, 5, 3>(call),
            (3, _, 4..) => micro::<S, 4, 3>(call),
            (3, _, 3) => micro::<S, 3, 3>(call),
            (3, _, 2) => micro::<S, 2, 3>(call),
            (3, _, _) => micro::<S, 1, 3>(call),
            (_, _, 4..) => micro::<S, 4, 2>(call),
            (_, _, 3) => micro::<S, 3, 2>(call),
            (_, _, 2) => micro::<S, 2, 2>(call),
            (_, _, _) => micro::<S, 1, 2>(call),
        }
    }
}

/// `R` rows × `NV` vectors of sums in registers over `len` terms.
///
/// # Safety
/// The instruction set is available; `a` is readable for `len` × `S::MR` values, `b` for `len` ×
/// `S::NR`, and `c` readable and writable for `R` × `S::NR`; `R <= S::MR` and `NV == S::NV`.
#[inline(always)]
unsafe fn micro<S: Simd, const R: usize, const NV: usize>(call: Call) {
    let Call { len, mut a, mut b, c, load, mut next, mut lines } = call;
    // SAFETY: all offsets stay below the sizes the caller vouches for.
    unsafe {
        let mut sums = [[S::splat(0.0); NV]; R];
        if load {
            for (r, row) in sums.iter_mut().enumerate() {
                for (v, sum) in row.iter_mut().enumerate() {
                    *sum = S::load(c.add(r * S::NR + v * S::LANES));
                }
            }
        }
        let per_step = lines.div_ceil((len / UNROLL).max(1));
        for _ in 0..len / UNROLL {
            for _ in 0..UNROLL {
                S::outer(&mut sums, a, b);
                a = a.add(S::MR);
                b = b.add(S::NR);
            }
            for _ in 0..per_step.min(lines) {
                prefetch(next);
                next = next.wrapping_add(16);
                lines -= 1;
            }
        }
        for _ in 0..len % UNROLL {
            S::outer(&mut sums, a, b);
            a = a.add(S::MR);
            b = b.add(S::NR);
        }
        for (r, row) in sums.iter().enumerate() {
            for (v, sum) in row.iter().enumerate() {
                S::store(c.add(r * S::NR + v * S::LANES), *sum);
            }
        }
    }
}
