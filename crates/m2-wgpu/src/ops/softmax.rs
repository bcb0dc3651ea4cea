//! Softmax along the innermost axis.

use super::reduce::Lanes;
use crate::{
    Error,
    lowering::{Lowering, read, write},
};

pub(super) fn lower(cx: &mut Lowering<'_>) -> Result<(), Error> {
    let x = cx.input(0);
    let lanes = Lanes::of(cx, x);
    if lanes.inner.fixed().is_none() {
        return Err(cx.unsupported(format!("along the run-time axis of {}", cx.ty(x))));
    }
    let constants = lanes.constants();
    cx.launch(shaders::SOFTMAX, constants, vec![read(x), write(cx.out())], lanes.grid());
    Ok(())
}
