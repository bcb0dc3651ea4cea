//! Expression trees over rows, a few hundred columns at a time.

use m2_ir::{Binary, Expr, Inst, Unary};

use crate::{Isa, math};

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
            for (i, inst) in code.iter().enumerate() {
                let (done, rest) = self.0.split_at_mut(i);
                let to = &mut rest[0][..n];
                let from = |r: u8| &done[usize::from(r)][..n];
                match *inst {
                    Inst::Input(x) => match operand(usize::from(x)) {
                        [v] => to.fill(*v),
                        row => to.copy_from_slice(&row[c * CHUNK..][..n]),
                    },
                    Inst::Const(v) => to.fill(v as f32),
                    Inst::Unary(f, a) => {
                        to.copy_from_slice(from(a));
                        unary(isa, f, to);
                    }
                    Inst::Binary(f, a, b) => {
                        to.copy_from_slice(from(a));
                        binary(isa, f, to, from(b));
                    }
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
            out.copy_from_slice(&self.0[code.len() - 1][..n]);
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

fn binary(isa: Isa, f: Binary, x: &mut [f32], y: &[f32]) {
    let each = |x: &mut [f32], f: fn(f32, f32) -> f32| {
        x.iter_mut().zip(y).for_each(|(a, b)| *a = f(*a, *b));
    };
    match f {
        Binary::Add => math::add(isa, x, y),
        Binary::Mul => math::mul(isa, x, y),
        Binary::Sub => each(x, |a, b| a - b),
        Binary::Div => each(x, |a, b| a / b),
        Binary::Max => each(x, |a, b| if a > b { a } else { b }),
        Binary::Min => each(x, |a, b| if a < b { a } else { b }),
    }
}
