//! Long-convolution kernels made by a sine network: three hidden layers and the modulated last one.

use m2_ir::{Dim, NodeId, ops::ImplicitFilter};

use super::transform::scratch;
use crate::{
    Error,
    launch::{Bind, Grid, Slot},
    layout::leading,
    lowering::{Lowering, read, size},
};

/// Positions and outputs of a workgroup.
const TILE: (usize, usize) = (256, 8);

pub(super) fn lower(cx: &mut Lowering<'_>, op: &ImplicitFilter) -> Result<(), Error> {
    let out = cx.out();
    let (_, h) = cx.columns(out)?;
    hidden(cx, out, *op, 0);
    modulate(cx, out, 0, h, Slot::Value(out));
    Ok(())
}

/// Positions that the network knows and the class needs.
fn count(cx: &Lowering<'_>, filter: NodeId) -> usize {
    cx.shape(cx.inputs_of(filter)[0])[1].min(cx.class.span)
}

/// The i-th of some filters' last hidden layer.
fn last_hidden(cx: &Lowering<'_>, filter: NodeId, i: usize) -> Slot {
    let outputs = cx.shape(cx.inputs_of(filter)[10])[1];
    Slot::Scratch(scratch::HIDDEN + i, outputs * leading(Dim::Span, &cx.class))
}

fn grid(positions: usize, outputs: usize) -> Grid {
    Grid::new(Dim::Fixed(positions), TILE.0, outputs.div_ceil(TILE.1))
}

/// Adds the hidden layers of a filter, the i-th of those that are kept at a time.
pub(super) fn hidden(cx: &mut Lowering<'_>, filter: NodeId, op: ImplicitFilter, i: usize) {
    let x = cx.inputs_of(filter);
    let (e, o) = (cx.shape(x[0])[2], cx.shape(x[10])[1]);
    let (count, ld) = (count(cx, filter), leading(Dim::Span, &cx.class));
    let (last, other) = (last_hidden(cx, filter, i), Slot::Scratch(scratch::LAYER, o * ld));
    cx.window = (0, 0);
    let mut layer = |input: Bind, first: bool, w: NodeId, b: NodeId, out: Slot| {
        let mut constants = vec![
            size("SPAN", count),
            size("OUTPUTS", o),
            size("K", if first { e } else { o }),
            size("LD", ld),
            ("W_MOD", op.w_mod),
        ];
        let kernel = if first {
            constants.push(size("COUNT", count));
            shaders::FILTER_FIRST
        } else {
            shaders::FILTER_LAYER
        };
        let bindings = vec![input, read(w), read(b), read(x[3]), Bind::Write(out)];
        cx.launch(kernel, constants, bindings, grid(count, o));
    };
    layer(read(x[0]), true, x[4], x[5], last);
    layer(Bind::Read(last), false, x[6], x[7], other);
    layer(Bind::Read(other), false, x[8], x[9], last);
}

/// Adds the last layer of the i-th filter for so many channels from the window's first on.
pub(super) fn modulate(
    cx: &mut Lowering<'_>,
    filter: NodeId,
    i: usize,
    channels: usize,
    out: Slot,
) {
    let x = cx.inputs_of(filter);
    let (span, o) = (cx.class.span, cx.shape(x[10])[1]);
    let constants = [
        size("SPAN", span),
        size("OUTPUTS", channels),
        size("K", o),
        size("LD", leading(Dim::Span, &cx.class)),
        size("COUNT", count(cx, filter)),
    ];
    let hidden = Bind::Read(last_hidden(cx, filter, i));
    let bindings = vec![hidden, read(x[10]), read(x[1]), read(x[2]), Bind::Write(out)];
    cx.launch(shaders::FILTER_MODULATE, constants, bindings, grid(span, channels));
}
