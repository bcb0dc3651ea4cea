//! Expression trees over rows, a few hundred columns at a time.

use m2_ir::{Binary, Expr, Inst, Unary};

use crate::{Isa, isa::multiversion, math, simd::Simd};

/// Columns of one pass: the values of all instructions stay in L1.
const CHUNK: usize = 256;

/// Registers of the evaluation.
#[derive(Debug, Default)]
pub(super) struct Registers(Vec<[f32; CHUNK]>);

impl Registers {
    /// Evaluates `expr` for one row; `operand(n)` is the n-th operand's row, or one value for all.
    pub(super) fn evaluate<'a>(
        &mut self,
        isa: Isa,
        expr: &Expr,
        operand: impl Fn(usize) -> &'a [f32],
        out: &mut [f32],
    ) {
        let code = expr.code();
        self.0.resize(code.len().max(self.0.len()), [0.0; CHUNK]);
        for (c, out) in out.chunks_mut(CHUNK).enumerate() {
            let n = out.len();
            let row = |inst: &Inst| match *inst {
                Inst::Input(x) => match operand(usize::from(x)) {
                    [_] => None,
                    row => Some(&row[c * CHUNK..][..n]),
                },
                _ => None,
            };
            for (i, inst) in code.iter().enumerate() {
                let (done, rest) = self.0.split_at_mut(i);
                // Rows are read where they lie, and the last value is made where it is wanted.
                let last = i + 1 == code.len();
                let to = if last { &mut *out } else { &mut rest[0][..n] };
                let from = |r: u8| row(&code[usize::from(r)]).unwrap_or(&done[usize::from(r)][..n]);
                match *inst {
                    Inst::Input(x) => match (operand(usize::from(x)), row(inst)) {
                        (_, Some(row)) if last => to.copy_from_slice(row),
                        ([v], _) => to.fill(*v),
                        _ => {}
                    },
                    Inst::Const(v) => to.fill(v as f32),
                    Inst::Unary(f, a) => {
                        to.copy_from_slice(from(a));
                        unary(isa, f, to);
                    }
                    Inst::Binary(f, a, b) => binary(isa, f, from(a), from(b), to),
                    Inst::Select(s, a, b) => {
                        to.copy_from_slice(from(b));
                        let chosen = from(s).iter().zip(from(a));
                        for (v, (s, a)) in to.iter_mut().zip(chosen) {
                            if *s != 0.0 {
                                *v = *a;
                            }
                        }
                    }
                }
            }
        }
    }
}

fn unary(isa: Isa, f: Unary, x: &mut [f32]) {
    match f {
        Unary::Neg => x.iter_mut().for_each(|v| *v = -*v),
        Unary::Gelu => math::gelu(isa, x),
        Unary::Tanh => math::tanh(isa, x),
        Unary::Relu => x.iter_mut().for_each(|v| *v = v.max(0.0)),
        Unary::Sigmoid => {
            x.iter_mut().for_each(|v| *v = -*v);
            math::exp(isa, x);
            x.iter_mut().for_each(|v| *v = 1.0 / (1.0 + *v));
        }
        Unary::Exp => math::exp(isa, x),
        Unary::Sqrt => x.iter_mut().for_each(|v| *v = v.sqrt()),
        Unary::Recip => x.iter_mut().for_each(|v| *v = 1.0 / *v),
    }
}

multiversion! {
    /// to = f(x, y)
    fn binary(f: Binary, x: &[f32], y: &[f32], to: &mut [f32]) => binary_body
}

#[inline(always)]
fn binary_body<S: Simd>(f: Binary, x: &[f32], y: &[f32], to: &mut [f32]) {
    match f {
        Binary::Add => each(x, y, to, |a, b| a + b),
        Binary::Mul => each(x, y, to, |a, b| a * b),
        Binary::Sub => each(x, y, to, |a, b| a - b),
        Binary::Div => each(x, y, to, |a, b| a / b),
        Binary::Max => each(x, y, to, |a, b| if a > b { a } else { b }),
        Binary::Min => each(x, y, to, |a, b| if a < b { a } else { b }),
    }
}

#[inline(always)]
fn each(x: &[f32], y: &[f32], to: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    for ((to, a), b) in to.iter_mut().zip(x).zip(y) {
        *to = f(*a, *b);
    }
}
