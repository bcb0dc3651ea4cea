//! Both long convolutions of the mixer as one transform pair.

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
    let (operands, out) = ([inputs[0], inputs[1], inputs[2]], cx.out());
    let bindings = move |channels: &Range<usize>| {
        let own = operands.iter().map(|id| Bind::Read(part(*id, channels)));
        let own: Vec<Bind> = own.chain([Bind::Write(part(out, channels))]).collect();
        [own.clone(), own.clone(), own]
    };
    let op = Convolution {
        kernels: [
            shaders::PAIR_TRANSFORM,
            shaders::PAIR_PEAKS,
            shaders::PAIR_COLUMNS,
            shaders::PAIR_FINISH,
        ],
        spectrum: inputs[3],
        pair: true,
        together: 1,
        own,
        bindings: Box::new(bindings),
        channels: h,
    };
    transform::convolve(cx, &op)
}
