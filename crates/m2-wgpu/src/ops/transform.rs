//! What the long convolutions share: the regime and its constants.

use m2_ir::NodeId;
use shaders::Kernel;

use crate::{
    launch::{Bind, Grid, Slot},
    lowering::{Lowering, flag, read, size},
};

/// Points that one invocation holds, at most.
const HELD: usize = 8;

/// Whether rows of the class are convolved by transforms in workgroup memory.
pub(super) fn fits(cx: &Lowering<'_>) -> bool {
    cx.class.span <= cx.longest_transform
}

/// Constants of a transform of the class's length.
pub(super) fn constants(cx: &Lowering<'_>) -> Vec<(&'static str, f64)> {
    let l = cx.class.span;
    // L/4 invocations have one radix-4 butterfly each.
    let threads = (l / 4).min(256).max(l / HELD);
    vec![size("L", l), size("LOG", l.ilog2() as usize), size("THREADS", threads)]
}

/// Adds the convolution kernel of an op: transforms where they fit, plain sums beyond.
///
/// `bindings` are those of the op's own part, from binding 4 on.
pub(super) fn convolve(
    cx: &mut Lowering<'_>,
    (transform, direct): (Kernel, Kernel),
    spectrum: NodeId,
    pair: bool,
    own: Vec<(&'static str, f64)>,
    bindings: Vec<Bind>,
    channels: usize,
) {
    let by_transform = fits(cx);
    let mut all = if by_transform { constants(cx) } else { vec![size("L", cx.class.span)] };
    all.extend([size("H", channels), flag("PAIR", pair)]);
    all.extend(own);
    let first = if by_transform {
        Bind::Read(Slot::Roots(cx.class.span))
    } else {
        // The sums need no roots: the binding is there and unread.
        read(spectrum)
    };
    let mut slots = vec![first, read(spectrum), Bind::Read(Slot::Rows)];
    slots.extend(bindings);
    let kernel = if by_transform { transform } else { direct };
    cx.launch(kernel, all, slots, Grid::rows(channels));
}
