//! M2-BERT's sequence mixer: one kernel, or passes.

use std::ops::Range;

use m2_ir::ops::SequenceMixer;

use super::transform::{self, Convolution, part};
use crate::{
    Error,
    launch::{Bind, Slot},
    lowering::{Lowering, read, size},
};

pub(super) fn lower(cx: &mut Lowering<'_>, op: &SequenceMixer) -> Result<(), Error> {
    let inputs = cx.inputs();
    let (_, h) = cx.columns(cx.out())?;
    let ld = cx.layout(cx.out()).ld;
    // Without a second convolution u is not read.
    let u = if op.residual { inputs[4] } else { inputs[1] };
    let (p, w, b, out) = (inputs[0], read(inputs[1]), read(inputs[2]), cx.out());
    let residual = op.residual;
    let bindings = move |channels: &Range<usize>| {
        let third =
            |i: usize| Bind::Read(Slot::Channels(p, i * h + channels.start, channels.len()));
        let u = if residual { Bind::Read(part(u, channels)) } else { w };
        let out = Bind::Write(part(out, channels));
        [
            vec![read(p), w, b, u, out],
            vec![third(0), w, b, u, third(2)],
            // The last pass does not see u.
            vec![third(1), w, b, w, out],
        ]
    };
    let op = Convolution {
        kernels: [
            shaders::MIXER_TRANSFORM,
            shaders::MIXER_PEAKS,
            shaders::MIXER_COLUMNS,
            shaders::MIXER_FINISH,
        ],
        spectrum: inputs[3],
        pair: op.residual,
        together: 1,
        own: vec![size("H", h), size("LD", ld), size("TAPS", op.taps)],
        bindings: Box::new(bindings),
        channels: h,
    };
    transform::convolve(cx, &op)
}
