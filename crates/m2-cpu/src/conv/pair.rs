//! Two convolutions of a group at once: `y = conv₁(a)·x2 + conv₂(u)`.

use super::LANES;
use super::middle::ApplyPair;
use super::row::{Pass, Sink, Source, load_lanes, store_lanes};
use super::transform::{Scratch, Transform};
use super::vector::{Cx, Vector, dispatch};
use super::view::{Matrix, MatrixMut, Row, span, tokens};
use crate::isa::Isa;
use std::marker::PhantomData;

/// Inputs and output of a pair of convolutions, each (T, channels).
#[derive(Clone, Copy, Debug)]
pub struct PairOperands<'a> {
    /// Input of the first convolution.
    pub a: Matrix<'a>,
    /// Input of the second convolution.
    pub u: Matrix<'a>,
    /// Gate of the first convolution's result; `None` for 1.
    pub x2: Option<Matrix<'a>>,
    /// The result; may be the same memory as an input, with the same columns.
    pub y: MatrixMut<'a>,
}

impl PairOperands<'_> {
    pub(super) fn check(&self, tokens: usize, outputs: usize, channels: usize) {
        self.a.check("a", tokens, channels);
        self.u.check("u", tokens, channels);
        if let Some(x2) = self.x2 {
            x2.check("x2", tokens, channels);
        }
        self.y.check("y", outputs, channels);
    }
}

/// `y[t,h] = conv₁(a)[t,h]·x2[t,h] + conv₂(u)[t,h]` for the channels of group `group` and the
/// tokens of `rows`; tokens of no row stay as they are.
///
/// `spectrum` is that group's part, made by [`build_pair_group`](super::build_pair_group) with the
/// same transform. Rows may have any length up to `transform.len()`.
///
/// # Panics
/// If an operand is too small for the rows and channels, a row too long, or `spectrum` or `scratch`
/// made for another transform.
///
/// # Safety
/// While the call runs nobody else reads or writes this group's columns of `y` in `rows`.
#[expect(clippy::too_many_arguments, reason = "the group's place and its buffers")]
pub unsafe fn conv_pair_group(
    isa: Isa,
    transform: &Transform,
    group: usize,
    channels: usize,
    rows: &[Row],
    operands: PairOperands<'_>,
    spectrum: &[f32],
    scratch: &mut Scratch,
) {
    let tokens = tokens(rows, transform.len());
    operands.check(tokens, tokens, channels);
    assert_eq!(spectrum.len(), transform.pair_group_len(), "floats of a pair group");
    let at = span(group, channels);
    let work = scratch.start(transform);
    for &row in rows.iter().filter(|row| row.len > 0) {
        // SAFETY: sizes checked above, columns of `y` by the caller, the instruction set by the
        // value of `isa`.
        dispatch!(isa, V => unsafe { pass::<V>(transform, at, row, operands, spectrum, work) });
    }
}

/// One row.
///
/// # Safety
/// The CPU has the instruction set of `V`; the operands hold the row, `work` is the work array.
unsafe fn pass<V: Vector>(
    transform: &Transform,
    (first, valid): (usize, usize),
    row: Row,
    operands: PairOperands<'_>,
    spectrum: &[f32],
    work: *mut f32,
) {
    let source = |m: Matrix<'_>| Source {
        ptr: m.at(row.offset).wrapping_add(first),
        stride: m.stride(),
        len: row.len,
    };
    let (head, records) = spectrum.split_at(LANES);
    let mut unscale = [0.0; LANES];
    unscale.copy_from_slice(head);
    let (re, im) = (source(operands.a), Some(source(operands.u)));
    let (gate, y) = (operands.x2.map(source), operands.y);
    macro_rules! run {
        ($full:literal) => {
            V::vectorize(Pass::<V, _, _, $full> {
                transform,
                work,
                re,
                im,
                valid,
                unscale,
                middle: ApplyPair(records.as_ptr()),
                sink: GatedSum::<'_, $full> { gate, y, row, first, valid },
                vector: PhantomData,
            })
        };
    }
    // SAFETY: the caller's conditions.
    unsafe { if valid == LANES { run!(true) } else { run!(false) } }
}

/// `re·gate + im`.
struct GatedSum<'a, const FULL: bool> {
    gate: Option<Source>,
    y: MatrixMut<'a>,
    row: Row,
    first: usize,
    valid: usize,
}

impl<V: Vector, const FULL: bool> Sink<V> for GatedSum<'_, FULL> {
    #[inline(always)]
    fn len(&self) -> usize {
        self.row.len
    }

    #[inline(always)]
    fn prefetch(&self, t: usize) {
        if let Some(gate) = self.gate {
            V::prefetch(gate.ptr.wrapping_add(t * gate.stride));
        }
        V::prefetch(self.y.at(self.row.offset + t).wrapping_add(self.first));
    }

    #[inline(always)]
    unsafe fn put(&self, t: usize, c: usize, y: Cx<V>) {
        // SAFETY: t is a token of the row, of which gate and output hold the valid channels.
        unsafe {
            let y = match self.gate {
                Some(gate) => {
                    let gate = gate.ptr.wrapping_add(t * gate.stride);
                    y.re.mul_add(load_lanes::<V, FULL>(gate, c, self.valid), y.im)
                }
                None => y.re.add(y.im),
            };
            let to = self.y.at(self.row.offset + t).wrapping_add(self.first);
            store_lanes::<V, FULL>(y, to, c, self.valid);
        }
    }
}
