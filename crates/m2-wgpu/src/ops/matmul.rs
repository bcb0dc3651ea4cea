//! Dense products: register tiles for activations, the strided kernel for everything else.

use m2_ir::{
    Dim,
    ops::{MatMul, Orientation},
};

use super::product::{Product, Strided, Strides};
use crate::{Error, lowering::Lowering};

pub(super) fn lower(cx: &mut Lowering<'_>, op: &MatMul) -> Result<(), Error> {
    let (x, w, out) = (cx.input(0), cx.input(1), cx.out());
    if op.orientation == Orientation::Tn {
        return summed_over_tokens(cx, op);
    }
    let shape = cx.shape(w);
    let (rows, inputs) = match op.orientation {
        Orientation::Nt => (shape[0], shape[1]),
        Orientation::Nn | Orientation::Tn => (shape[1], shape[0]),
    };
    if cx.layout(x).lead.is_some() {
        let (lead, _) = cx.columns(x)?;
        let mut product = Product::dense(x, out, lead, w, rows, inputs);
        product.transposed = op.orientation == Orientation::Nn;
        product.epilogue = op.epilogue;
        product.extra = cx.inputs()[2..].to_vec();
        return product.lower(cx);
    }
    // x is a weight or made of weights: row-major, any number of leading axes.
    let m = cx.layout(x).len() / inputs;
    let w = match op.orientation {
        Orientation::Nt => Strides { outer: inputs, summed: 1 },
        Orientation::Nn | Orientation::Tn => Strides { outer: 1, summed: rows },
    };
    let width = if op.epilogue.glu { rows / 2 } else { rows };
    Strided {
        m: Dim::Fixed(m),
        n: rows,
        k: Dim::Fixed(inputs),
        x: Strides { outer: inputs, summed: 1 },
        w,
        y: (width, 1),
        epilogue: op.epilogue,
    }
    .lower(cx);
    Ok(())
}

/// x (K, M)ᵀ · w (K, N), where K may be the tokens.
fn summed_over_tokens(cx: &mut Lowering<'_>, op: &MatMul) -> Result<(), Error> {
    let (x, w) = (cx.layout(cx.input(0)), cx.layout(cx.input(1)));
    let (m, n) = (x.width() / x.rest().len().max(1), w.width());
    let [k, _] = cx.ty(cx.input(0)).shape[..] else {
        return Err(cx.unsupported(format!("of an operand {}", cx.ty(cx.input(0)))));
    };
    let m = if x.lead.is_some() { m } else { x.shape[1] };
    let n = if w.lead.is_some() { n } else { w.shape[1] };
    let strides = |l: &crate::layout::Layout| {
        let s = l.strides();
        Strides { outer: s[1], summed: s[0] }
    };
    let width = if op.epilogue.glu { n / 2 } else { n };
    Strided {
        m: Dim::Fixed(m),
        n,
        k,
        x: strides(&x),
        w: strides(&w),
        y: (width, 1),
        epilogue: op.epilogue,
    }
    .lower(cx);
    Ok(())
}
