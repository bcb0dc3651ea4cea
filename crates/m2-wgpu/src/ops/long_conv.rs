//! One long convolution.

use super::transform::{self, Convolution};
use crate::{
    Error,
    lowering::{Lowering, read, size, write},
};

pub(super) fn lower(cx: &mut Lowering<'_>) -> Result<(), Error> {
    let inputs = cx.inputs();
    let (_, h) = cx.columns(cx.out())?;
    let own = vec![size("LD", cx.layout(cx.out()).ld)];
    let bindings = vec![read(inputs[0]), write(cx.out())];
    let bindings = [bindings.clone(), bindings.clone(), bindings];
    let op = Convolution {
        kernels: [
            shaders::LONG_TRANSFORM,
            shaders::LONG_PEAKS,
            shaders::LONG_COLUMNS,
            shaders::LONG_FINISH,
        ],
        spectrum: inputs[1],
        pair: false,
        own,
        bindings,
        channels: h,
    };
    transform::convolve(cx, &op)
}
