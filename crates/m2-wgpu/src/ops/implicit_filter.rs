//! Long-convolution kernels made by a sine network: three hidden layers and the modulated last one.

use m2_ir::{Dim, NodeId, ops::ImplicitFilter};

use crate::{
    Error,
    launch::{Bind, Grid, Slot},
    layout::leading,
    lowering::{Lowering, read, size, write},
};

pub(super) fn lower(cx: &mut Lowering<'_>, op: &ImplicitFilter) -> Result<(), Error> {
    let x = cx.inputs();
    let (z, w6) = (cx.shape(x[0]), cx.shape(x[10]));
    let (positions, e) = (z[1], z[2]);
    let (h, o) = (w6[0], w6[1]);
    let span = cx.class.span;
    let count = positions.min(span);
    let ld = leading(Dim::Span, &cx.class);
    let hidden = |i: usize| Slot::Scratch(i, o * ld);
    let mut layer = |input: Bind, width, strides: (usize, usize), w: NodeId, b, out: Slot| {
        let constants = [
            size("COUNT", count),
            size("K", width),
            size("XN", strides.0),
            size("XK", strides.1),
            size("O", o),
            size("LD", ld),
            ("W_MOD", op.w_mod),
        ];
        let bindings = vec![input, read(w), read(b), read(x[3]), Bind::Write(out)];
        cx.launch(shaders::FILTER_LAYER, constants, bindings, Grid::new(Dim::Fixed(count), 64, o));
    };
    layer(read(x[0]), e, (e, 1), x[4], x[5], hidden(0));
    layer(Bind::Read(hidden(0)), o, (1, ld), x[6], x[7], hidden(1));
    layer(Bind::Read(hidden(1)), o, (1, ld), x[8], x[9], hidden(0));
    let constants = [
        size("COUNT", count),
        size("SPAN", span),
        size("O", o),
        size("H", h),
        size("LDX", ld),
        size("LD", ld),
    ];
    let bindings =
        vec![Bind::Read(hidden(0)), read(x[10]), read(x[1]), read(x[2]), write(cx.out())];
    cx.launch(shaders::FILTER_MODULATE, constants, bindings, Grid::new(Dim::Fixed(span), 64, h));
    Ok(())
}
