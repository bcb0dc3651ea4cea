//! Only the first token of each row: one dot product per channel, no transform.

use super::LANES;
use super::filter::{Filter, ReverseLag};
use super::pair::PairOperands;
use super::row::{load_lanes, store_lanes};
use super::stage::lanes;
use super::vector::{Task, Vector, dispatch};
use super::view::{Matrix, Row, span, tokens};
use crate::isa::Isa;
use std::marker::PhantomData;

/// Tokens summed before they are added to the total, so that errors do not grow with the length.
const BLOCK: usize = 128;

/// `y[r,h] = conv₁(a)[0,h]·x2[0,h] + conv₂(u)[0,h]`, token 0 of row r, for the channels of group
/// `group`: all that is needed where only the first token's result is read.
///
/// `operands.y` is (rows, channels): row r of it belongs to `rows[r]`. Rows of no tokens leave
/// theirs as it is. Kernel entries beyond a filter's length are zeros.
///
/// # Panics
/// If an operand is too small for the rows and channels.
///
/// # Safety
/// While the call runs nobody else reads or writes this group's columns of `y`.
pub unsafe fn conv_pair_first(
    isa: Isa,
    group: usize,
    channels: usize,
    rows: &[Row],
    operands: PairOperands<'_>,
    filters: [&Filter<'_>; 2],
) {
    operands.check(tokens(rows, usize::MAX), rows.len(), channels);
    filters[0].check("first filter", channels);
    filters[1].check("second filter", channels);
    let (first, valid) = span(group, channels);
    for (r, &row) in rows.iter().enumerate().filter(|(_, row)| row.len > 0) {
        macro_rules! run {
            ($v:ty, $full:literal) => {
                <$v>::vectorize(First::<$v, $full> {
                    r,
                    row,
                    operands,
                    filters,
                    first,
                    valid,
                    vector: PhantomData,
                })
            };
        }
        // SAFETY: sizes checked above, columns of `y` by the caller, the instruction set by the
        // value of `isa`.
        dispatch!(isa, V => unsafe {
            if valid == LANES { run!(V, true) } else { run!(V, false) }
        });
    }
}

/// The dot products of one row. Running it is safe if the operands and filters hold the row and
/// the valid channels from `first`.
struct First<'a, V, const FULL: bool> {
    r: usize,
    row: Row,
    operands: PairOperands<'a>,
    filters: [&'a Filter<'a>; 2],
    first: usize,
    valid: usize,
    vector: PhantomData<V>,
}

impl<V: Vector, const FULL: bool> Task for First<'_, V, FULL> {
    #[inline(always)]
    unsafe fn run(self) {
        // SAFETY: the conditions of `First`.
        lanes::<V>(
            #[inline(always)]
            |c| unsafe {
                let y1 = self.dot(self.operands.a, self.filters[0], c);
                let y2 = self.dot(self.operands.u, self.filters[1], c);
                let y = match self.operands.x2 {
                    Some(gate) => y1.mul_add(self.load(gate, self.row.offset, c), y2),
                    None => y1.add(y2),
                };
                let to = self.operands.y.at(self.r).wrapping_add(self.first);
                store_lanes::<V, FULL>(y, to, c, self.valid);
            },
        );
    }
}

impl<V: Vector, const FULL: bool> First<'_, V, FULL> {
    /// # Safety
    /// Token `t` of `m` is readable.
    #[inline(always)]
    unsafe fn load(&self, m: Matrix<'_>, t: usize, c: usize) -> V {
        // SAFETY: the caller's condition.
        unsafe { load_lanes::<V, FULL>(m.at(t).wrapping_add(self.first), c, self.valid) }
    }

    /// Token 0 of one convolution of the row.
    ///
    /// # Safety
    /// As `run`.
    #[inline(always)]
    unsafe fn dot(&self, x: Matrix<'_>, filter: &Filter<'_>, c: usize) -> V {
        let (offset, len) = (self.row.offset, self.row.len);
        // SAFETY: tokens of the row, and kernel rows below the filter's length.
        unsafe {
            let x0 = self.load(x, offset, c);
            let mut total = V::splat(0.0);
            if filter.len > 0 {
                total = x0.mul(self.load(filter.forward, 0, c));
            }
            if let Some(skip) = filter.skip {
                let skip = load_lanes::<V, FULL>(skip.as_ptr().add(self.first), c, self.valid);
                total = x0.mul_add(skip, total);
            }
            if let Some(reverse) = filter.reverse {
                let lag0 = match filter.reverse_lag {
                    ReverseLag::One => 1,
                    ReverseLag::Zero => 0,
                };
                let end = len.min(filter.len + lag0);
                for block in (lag0..end).step_by(BLOCK) {
                    let mut sum = V::splat(0.0);
                    for s in block..end.min(block + BLOCK) {
                        let k = self.load(reverse, s - lag0, c);
                        sum = self.load(x, offset + s, c).mul_add(k, sum);
                    }
                    total = total.add(sum);
                }
            }
            total
        }
    }
}
