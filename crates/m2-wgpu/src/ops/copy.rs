//! Moving elements between two strided boxes, for the ops that only rearrange.

use m2_ir::NodeId;

use crate::{
    Error,
    launch::Grid,
    lowering::{Lowering, flag, read, size, write},
};

/// A box of elements: where it starts, and its stride along each axis.
pub(super) struct Strided {
    pub start: usize,
    pub strides: Vec<usize>,
}

const SIZES: [&str; 4] = ["D0", "D1", "D2", "D3"];
const SOURCES: [&str; 4] = ["S0", "S1", "S2", "S3"];
const RESULTS: [&str; 4] = ["R0", "R1", "R2", "R3"];

/// Copies a box of `x` into the node's result; without an x it writes zeros.
///
/// # Errors
/// When the box has more axes than the kernel takes.
pub(super) fn copy(
    cx: &mut Lowering<'_>,
    shape: &[usize],
    x: Option<(NodeId, Strided)>,
    to: Strided,
) -> Result<(), Error> {
    if shape.len() > 4 {
        return Err(cx.unsupported(format!("of {} axes", shape.len())));
    }
    // Neighbouring invocations write neighbouring elements.
    let mut axes: Vec<usize> = (0..shape.len()).collect();
    axes.sort_by_key(|&a| std::cmp::Reverse(to.strides[a]));
    let n: usize = shape.iter().product();
    if n == 0 {
        return Ok(());
    }
    let zero = x.is_none();
    let (id, from) =
        x.unwrap_or_else(|| (cx.input(0), Strided { start: 0, strides: vec![0; shape.len()] }));
    let mut constants =
        vec![size("SOURCE", from.start), size("RESULT", to.start), flag("ZERO", zero)];
    for (i, &a) in axes.iter().rev().enumerate() {
        let slot = 3 - i;
        constants.extend([
            size(SIZES[slot], shape[a]),
            size(SOURCES[slot], from.strides[a]),
            size(RESULTS[slot], to.strides[a]),
        ]);
    }
    let bindings = vec![read(id), write(cx.out())];
    cx.launch(shaders::COPY, constants, bindings, Grid::flat(n, 64));
    Ok(())
}
