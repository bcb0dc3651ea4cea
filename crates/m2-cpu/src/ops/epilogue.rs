//! Bias, activation or gate, and residual of one row of a product.

use m2_ir::{
    Unary,
    ops::{Activation, Epilogue},
};

use super::elementwise::unary;
use crate::{array::Array, real::Real};

/// Turns row `i` of the product, `y`, into row `i` of the result.
pub(super) fn plain<R: Real>(
    e: &Epilogue,
    y: &mut [R],
    extra: &[&Array<R>],
    i: usize,
    out: &mut [R],
) {
    if e.bias {
        y.iter_mut().zip(&extra[0].data).for_each(|(v, &b)| *v += b);
    }
    let activate = |v: R| match e.activation {
        Activation::None => v,
        Activation::Gelu => unary(Unary::Gelu, v),
        Activation::Tanh => unary(Unary::Tanh, v),
    };
    let n = out.len();
    for j in 0..n {
        out[j] = activate(y[j]);
        if e.glu {
            out[j] = out[j] * y[n + j];
        }
    }
    if e.residual {
        out.iter_mut().zip(extra[extra.len() - 1].row(i)).for_each(|(v, &r)| *v += r);
    }
}
