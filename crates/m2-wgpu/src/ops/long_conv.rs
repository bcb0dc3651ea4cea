//! One long convolution.

use super::transform;
use crate::{
    Error,
    lowering::{Lowering, read, size, write},
};

pub(super) fn lower(cx: &mut Lowering<'_>) -> Result<(), Error> {
    let inputs = cx.inputs();
    let (_, h) = cx.columns(cx.out())?;
    let own = vec![size("LD", cx.layout(cx.out()).ld)];
    let bindings = vec![read(inputs[0]), write(cx.out())];
    let kernels = (shaders::LONG_TRANSFORM, shaders::LONG_DIRECT);
    transform::convolve(cx, kernels, inputs[1], false, own, bindings, h);
    Ok(())
}
