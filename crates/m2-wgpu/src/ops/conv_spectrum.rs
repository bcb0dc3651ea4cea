//! Kernels of long convolutions as their kernels want them: spectra, or values by lag.

use m2_ir::ops::{ConvSpectrum, ReverseLag};

use super::transform;
use crate::{
    Error,
    launch::{Bind, Grid, Slot},
    lowering::{Lowering, flag, read, size, write},
};

pub(super) fn lower(cx: &mut Lowering<'_>, op: &ConvSpectrum) -> Result<(), Error> {
    let inputs = cx.inputs();
    let (_, h) = cx.columns(inputs[0])?;
    let n = op.operands();
    let reverse = match op.reverse {
        None => 0,
        Some(ReverseLag::Next) => 1,
        Some(ReverseLag::Current) => 2,
    };
    let mut kernels = Vec::new();
    for which in 0..2 {
        // One convolution's operands stand in for the other's where there is only one.
        let one = if op.pair { &inputs[which * n..][..n] } else { &inputs[..n] };
        let back = if op.reverse.is_some() { one[1] } else { one[0] };
        kernels.extend([read(one[0]), read(back), read(one[n - 1])]);
    }
    let own = [
        size("H", h),
        size("LD", cx.layout(inputs[0]).ld),
        flag("PAIR", op.pair),
        size("REVERSE", reverse),
    ];
    let out = write(cx.out());
    if transform::fits(cx) {
        let mut constants = transform::constants(cx);
        constants.extend(own);
        let mut bindings = vec![Bind::Read(Slot::Roots(cx.class.span))];
        bindings.extend(kernels);
        bindings.push(out);
        cx.launch(shaders::SPECTRUM, constants, bindings, Grid::flat(h, 1));
    } else {
        let mut constants = vec![size("L", cx.class.span)];
        constants.extend(own);
        let mut bindings = vec![out];
        bindings.extend(kernels);
        cx.launch(shaders::LAGS, constants, bindings, Grid::flat(h, 1));
    }
    Ok(())
}
