//! One long convolution, of two rows at once.

use std::ops::Range;

use super::transform::{self, Convolution, part};
use crate::{
    Error,
    launch::Bind,
    lowering::{Lowering, size},
};

pub(super) fn lower(cx: &mut Lowering<'_>) -> Result<(), Error> {
    let inputs = cx.inputs();
    let (_, h) = cx.columns(cx.out())?;
    let own = vec![size("LD", cx.layout(cx.out()).ld)];
    let (x, out) = (inputs[0], cx.out());
    let bindings = move |channels: &Range<usize>| {
        let own = vec![Bind::Read(part(x, channels)), Bind::Write(part(out, channels))];
        [own.clone(), own.clone(), own]
    };
    let op = Convolution {
        kernels: [
            shaders::LONG_TRANSFORM,
            shaders::LONG_PEAKS,
            shaders::LONG_COLUMNS,
            shaders::LONG_FINISH,
        ],
        spectrum: inputs[1],
        pair: false,
        together: 2,
        own,
        bindings: Box::new(bindings),
        channels: h,
    };
    transform::convolve(cx, &op)
}
