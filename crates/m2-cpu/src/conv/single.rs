//! One convolution of a group, two rows at a time: `y = conv(x)·gate`.

use super::LANES;
use super::middle::ApplySingle;
use super::row::{Pass, Sink, Source, load_lanes, store_lanes};
use super::transform::{Scratch, Transform};
use super::vector::{Cx, Vector, dispatch};
use super::view::{Matrix, MatrixMut, Row, span, tokens};
use crate::isa::Isa;
use std::marker::PhantomData;

/// Input and output of one convolution, each (T, channels).
#[derive(Clone, Copy, Debug)]
pub struct SingleOperands<'a> {
    /// Input.
    pub x: Matrix<'a>,
    /// Factor of the result; `None` for 1.
    pub gate: Option<Matrix<'a>>,
    /// The result; may be the same memory as an input, with the same columns.
    pub y: MatrixMut<'a>,
}

/// `y[t,h] = conv(x)[t,h]·gate[t,h]` for the channels of group `group` and the tokens of `rows`;
/// tokens of no row stay as they are.
///
/// `spectrum` is that group's part, made by [`build_single_group`](super::build_single_group) with
/// the same transform. Two rows share one complex transform.
///
/// # Panics
/// As [`conv_pair_group`](super::conv_pair_group).
///
/// # Safety
/// As [`conv_pair_group`](super::conv_pair_group).
#[expect(clippy::too_many_arguments, reason = "the group's place and its buffers")]
pub unsafe fn conv_single_group(
    isa: Isa,
    transform: &Transform,
    group: usize,
    channels: usize,
    rows: &[Row],
    operands: SingleOperands<'_>,
    spectrum: &[f32],
    scratch: &mut Scratch,
) {
    let tokens = tokens(rows, transform.len());
    operands.x.check("x", tokens, channels);
    if let Some(gate) = operands.gate {
        gate.check("gate", tokens, channels);
    }
    operands.y.check("y", tokens, channels);
    assert_eq!(spectrum.len(), transform.single_group_len(), "floats of a group");
    let at = span(group, channels);
    let work = scratch.start(transform);
    let mut rows = rows.iter().copied().filter(|row| row.len > 0);
    while let Some(row) = rows.next() {
        let rows = [row, rows.next().unwrap_or(Row { offset: row.offset, len: 0 })];
        // SAFETY: sizes checked above, columns of `y` by the caller, the instruction set by the
        // value of `isa`.
        dispatch!(isa, V => unsafe { pass::<V>(transform, at, rows, operands, spectrum, work) });
    }
}

/// Two rows, the second possibly empty.
///
/// # Safety
/// The CPU has the instruction set of `V`; the operands hold the rows, `work` is the work array.
unsafe fn pass<V: Vector>(
    transform: &Transform,
    (first, valid): (usize, usize),
    rows: [Row; 2],
    operands: SingleOperands<'_>,
    spectrum: &[f32],
    work: *mut f32,
) {
    let source = |row: Row| Source {
        ptr: operands.x.at(row.offset).wrapping_add(first),
        stride: operands.x.stride(),
        len: row.len,
    };
    let (re, im) = (source(rows[0]), (rows[1].len > 0).then(|| source(rows[1])));
    macro_rules! run {
        ($full:literal) => {
            V::vectorize(Pass::<V, _, _, $full> {
                transform,
                work,
                re,
                im,
                valid,
                unscale: [1.0; LANES],
                middle: ApplySingle(spectrum.as_ptr()),
                sink: TwoRows::<'_, $full> { operands, rows, first, valid },
                vector: PhantomData,
            })
        };
    }
    // SAFETY: the caller's conditions.
    unsafe { if valid == LANES { run!(true) } else { run!(false) } }
}

/// Real parts to one row, imaginary parts to the other, each times the gate.
struct TwoRows<'a, const FULL: bool> {
    operands: SingleOperands<'a>,
    rows: [Row; 2],
    first: usize,
    valid: usize,
}

impl<V: Vector, const FULL: bool> Sink<V> for TwoRows<'_, FULL> {
    #[inline(always)]
    fn len(&self) -> usize {
        self.rows[0].len.max(self.rows[1].len)
    }

    #[inline(always)]
    fn prefetch(&self, t: usize) {
        for row in self.rows {
            if let Some(gate) = self.operands.gate {
                V::prefetch(gate.at(row.offset + t).wrapping_add(self.first));
            }
            V::prefetch(self.operands.y.at(row.offset + t).wrapping_add(self.first));
        }
    }

    #[inline(always)]
    unsafe fn put(&self, t: usize, c: usize, y: Cx<V>) {
        for (row, y) in self.rows.into_iter().zip([y.re, y.im]) {
            if t >= row.len {
                continue;
            }
            // SAFETY: t is a token of the row, of which gate and output hold the valid channels.
            unsafe {
                let y = match self.operands.gate {
                    Some(gate) => {
                        let gate = gate.at(row.offset + t).wrapping_add(self.first);
                        y.mul(load_lanes::<V, FULL>(gate, c, self.valid))
                    }
                    None => y,
                };
                let to = self.operands.y.at(row.offset + t).wrapping_add(self.first);
                store_lanes::<V, FULL>(y, to, c, self.valid);
            }
        }
    }
}
