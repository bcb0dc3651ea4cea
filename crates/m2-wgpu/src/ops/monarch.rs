//! Order-2 Monarch products: two block-diagonal ones, the permutations in their address maps.

use m2_ir::ops::Monarch;

use super::product::{Inputs, Product};
use crate::{Error, launch::Slot, layout::leading, lowering::Lowering};

pub(super) fn lower(cx: &mut Lowering<'_>, op: &Monarch) -> Result<(), Error> {
    let (x, w1, w2, out) = (cx.input(0), cx.input(1), cx.input(2), cx.out());
    let (lead, _) = cx.columns(x)?;
    let (a, b) = (cx.shape(w1), cx.shape(w2));
    let (k, q, p) = (a[0], a[1], a[2]);
    let (l, s, r) = (b[0], b[1], b[2]);
    let middle = Slot::Scratch(0, k * q * leading(lead, &cx.class));
    Product {
        y: middle,
        blocks: k,
        // With the leading permutation x'[κp + π] = x[πk + κ].
        x_map: if op.permute_input { Inputs::Channels(1, k) } else { Inputs::Channels(p, 1) },
        ..Product::dense(x, out, lead, w1, q, p)
    }
    .lower(cx)?;
    Product {
        x: middle,
        blocks: l,
        // The middle is read as (r, l) and transposed, the result is written σ·l + λ.
        x_map: Inputs::Channels(1, l),
        y_map: (1, l),
        ..Product::dense(x, out, lead, w2, s, r)
    }
    .lower(cx)
}
