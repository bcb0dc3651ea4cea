//! Both long convolutions of the mixer as one transform pair.

use super::transform;
use crate::{
    Error,
    lowering::{Lowering, read, size, write},
};

pub(super) fn lower(cx: &mut Lowering<'_>) -> Result<(), Error> {
    let inputs = cx.inputs();
    let (_, h) = cx.columns(cx.out())?;
    let own = vec![size("LD", cx.layout(cx.out()).ld)];
    let bindings = vec![read(inputs[0]), read(inputs[1]), read(inputs[2]), write(cx.out())];
    let kernels = (shaders::PAIR_TRANSFORM, shaders::PAIR_DIRECT);
    transform::convolve(cx, kernels, inputs[3], true, own, bindings, h);
    Ok(())
}
