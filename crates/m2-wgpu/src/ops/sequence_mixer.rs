//! M2-BERT's sequence mixer as one kernel.

use m2_ir::ops::SequenceMixer;

use super::transform;
use crate::{
    Error,
    lowering::{Lowering, read, size, write},
};

pub(super) fn lower(cx: &mut Lowering<'_>, op: &SequenceMixer) -> Result<(), Error> {
    let inputs = cx.inputs();
    let (_, h) = cx.columns(cx.out())?;
    let ld = cx.layout(cx.out()).ld;
    // Without a second convolution u is not read.
    let u = if op.residual { inputs[4] } else { inputs[0] };
    let bindings =
        vec![read(inputs[0]), read(inputs[1]), read(inputs[2]), read(u), write(cx.out())];
    let kernels = (shaders::MIXER_TRANSFORM, shaders::MIXER_DIRECT);
    let own = vec![size("LD", ld), size("TAPS", op.taps)];
    transform::convolve(cx, kernels, inputs[3], op.residual, own, bindings, h);
    Ok(())
}
