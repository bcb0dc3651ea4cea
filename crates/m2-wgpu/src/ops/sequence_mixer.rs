//! M2-BERT's sequence mixer: one kernel, or passes.

use m2_ir::ops::SequenceMixer;

use super::transform::{self, Convolution};
use crate::{
    Error,
    launch::{Bind, Slot},
    lowering::{Lowering, read, size, write},
};

pub(super) fn lower(cx: &mut Lowering<'_>, op: &SequenceMixer) -> Result<(), Error> {
    let inputs = cx.inputs();
    let (_, h) = cx.columns(cx.out())?;
    let ld = cx.layout(cx.out()).ld;
    // Without a second convolution u is not read.
    let u = if op.residual { inputs[4] } else { inputs[1] };
    let (w, b) = (read(inputs[1]), read(inputs[2]));
    let third = |i: usize| Bind::Read(Slot::Channels(inputs[0], i * h, h));
    let bindings = [
        vec![read(inputs[0]), w, b, read(u), write(cx.out())],
        vec![third(0), w, b, read(u), third(2)],
        // The last pass does not see u.
        vec![third(1), w, b, w, write(cx.out())],
    ];
    let op = Convolution {
        kernels: [
            shaders::MIXER_TRANSFORM,
            shaders::MIXER_PEAKS,
            shaders::MIXER_COLUMNS,
            shaders::MIXER_FINISH,
        ],
        spectrum: inputs[3],
        pair: op.residual,
        own: vec![size("H", h), size("LD", ld), size("TAPS", op.taps)],
        bindings,
        channels: h,
    };
    transform::convolve(cx, &op)
}
