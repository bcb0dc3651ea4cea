//! Dense products: tiles for activations, the strided kernel for everything else.

use m2_ir::{
    Dim,
    ops::{MatMul, Orientation},
};

use super::{
    product::{Inputs, Product, WeightMap},
    strided::{Strided, Strides},
};
use crate::{Error, launch::Slot, lowering::Lowering};

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
        if op.orientation == Orientation::Nn {
            product.w_map = WeightMap::Transposed;
        }
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
        block: rows,
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
    let inputs = cx.inputs();
    let [x, w] = [inputs[0], inputs[1]].map(|id| cx.layout(id));
    let [k, _] = cx.ty(inputs[0]).shape[..] else {
        return Err(cx.unsupported(format!("of an operand {}", cx.ty(inputs[0]))));
    };
    let (m, n) = (x.shape[1], w.shape[1]);
    if x.lead.is_some() && n.is_multiple_of(4) && !op.epilogue.bias && !op.epilogue.glu {
        // Rows of the result are channels of x; columns are those of w.
        return Product {
            x: Slot::Value(inputs[1]),
            inputs: k,
            x_map: Inputs::Across(w.ld),
            w_map: WeightMap::Rows(x.ld),
            epilogue: op.epilogue,
            extra: inputs[2..].to_vec(),
            ..Product::dense(inputs[1], cx.out(), Dim::Fixed(n), inputs[0], m, 0)
        }
        .lower(cx);
    }
    let [x, w] = [x, w].map(|l| {
        let s = l.strides();
        Strides { outer: s[1], summed: s[0] }
    });
    let width = if op.epilogue.glu { n / 2 } else { n };
    let (m, epilogue) = (Dim::Fixed(m), op.epilogue);
    Strided { m, n, block: n, k, x, w, y: (width, 1), epilogue }.lower(cx);
    Ok(())
}
