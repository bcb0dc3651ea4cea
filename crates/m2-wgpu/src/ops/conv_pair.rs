//! Both long convolutions of the mixer as one transform pair.

use super::transform::{self, Convolution};
use crate::{
    Error,
    lowering::{Lowering, read, size, write},
};

pub(super) fn lower(cx: &mut Lowering<'_>) -> Result<(), Error> {
    let inputs = cx.inputs();
    let (_, h) = cx.columns(cx.out())?;
    let own = vec![size("LD", cx.layout(cx.out()).ld)];
    let bindings = vec![read(inputs[0]), read(inputs[1]), read(inputs[2]), write(cx.out())];
    let bindings = [bindings.clone(), bindings.clone(), bindings];
    let op = Convolution {
        kernels: [
            shaders::PAIR_TRANSFORM,
            shaders::PAIR_PEAKS,
            shaders::PAIR_COLUMNS,
            shaders::PAIR_FINISH,
        ],
        spectrum: inputs[3],
        pair: true,
        own,
        bindings,
        channels: h,
    };
    transform::convolve(cx, &op)
}
