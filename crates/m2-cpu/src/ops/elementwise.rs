//! Expression trees, element by element.

use m2_ir::{Binary, Expr, Inst, Unary, ops::Elementwise};

use crate::{array::Array, real::Real};

pub(super) fn plain<R: Real>(op: &Elementwise, x: &[&Array<R>], out: &mut Array<R>) {
    let strides: Vec<Vec<usize>> = x.iter().map(|a| strides(&a.shape, &out.shape)).collect();
    let mut index = vec![0; out.shape.len()];
    let mut operands = vec![R::zero(); x.len()];
    let mut stack = Vec::with_capacity(op.expr.code().len());
    for o in &mut out.data {
        for ((v, a), s) in operands.iter_mut().zip(x).zip(&strides) {
            *v = a.data[index.iter().zip(s).map(|(i, s)| i * s).sum::<usize>()];
        }
        *o = evaluate(&op.expr, &operands, &mut stack);
        for (i, &n) in index.iter_mut().zip(&out.shape).rev() {
            *i += 1;
            if *i < n {
                break;
            }
            *i = 0;
        }
    }
}

/// Strides of an operand in the axes of the result: 0 where it is broadcast.
fn strides(shape: &[usize], out: &[usize]) -> Vec<usize> {
    let mut strides = vec![0; out.len()];
    let mut step = 1;
    for (s, &n) in strides.iter_mut().rev().zip(shape.iter().rev()) {
        *s = if n == 1 { 0 } else { step };
        step *= n;
    }
    strides
}

fn evaluate<R: Real>(expr: &Expr, x: &[R], at: &mut Vec<R>) -> R {
    at.clear();
    for inst in expr.code() {
        let get = |i: u8| at[usize::from(i)];
        let v = match *inst {
            Inst::Input(n) => x[usize::from(n)],
            Inst::Const(v) => R::of(v),
            Inst::Unary(f, a) => unary(f, get(a)),
            Inst::Binary(f, a, b) => binary(f, get(a), get(b)),
            Inst::Select(c, a, b) => {
                if get(c) != R::zero() {
                    get(a)
                } else {
                    get(b)
                }
            }
        };
        at.push(v);
    }
    at.last().copied().unwrap_or_default()
}

pub(super) fn unary<R: Real>(f: Unary, v: R) -> R {
    let one = R::of(1.0);
    match f {
        Unary::Neg => R::zero() - v,
        Unary::Gelu => v.gelu(),
        Unary::Tanh => v.tanh(),
        Unary::Relu => v.max(R::zero()),
        Unary::Sigmoid => one / (one + (R::zero() - v).exp()),
        Unary::Exp => v.exp(),
        Unary::Sqrt => v.sqrt(),
        Unary::Recip => one / v,
    }
}

fn binary<R: Real>(f: Binary, a: R, b: R) -> R {
    match f {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Max => a.max(b),
        Binary::Min => {
            if a < b {
                a
            } else {
                b
            }
        }
    }
}
