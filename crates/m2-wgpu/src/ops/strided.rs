//! Products of any strides, one result an invocation: operands that are weights, and gates of an
//! odd number of blocks.

use m2_ir::{Dim, ops::Epilogue};

use super::product::{Product, activation, extras};
use crate::{
    launch::{Bind, Grid},
    lowering::{Lowering, axis, flag, read, size, write},
};

/// Strides of a two-dimensional operand.
#[derive(Clone, Copy)]
pub(super) struct Strides {
    /// Along the axis that stays.
    pub outer: usize,
    /// Along the axis that is summed over.
    pub summed: usize,
}

/// A product of any two matrices: `y[m, n] = epilogue(Σ_k x[m, k] w[n, k])`.
pub(super) struct Strided {
    /// Rows of the result.
    pub m: Dim,
    /// Columns of the product.
    pub n: usize,
    /// Columns of a block of weights.
    pub block: usize,
    /// What is summed over.
    pub k: Dim,
    /// Strides of x.
    pub x: Strides,
    /// Strides of w.
    pub w: Strides,
    /// Strides of the result along m and n.
    pub y: (usize, usize),
    /// What happens to the result.
    pub epilogue: Epilogue,
}

impl Strided {
    /// Adds the dispatch for the node's operands.
    pub fn lower(self, cx: &mut Lowering<'_>) {
        let inputs = cx.inputs();
        let (bias, residual) = extras(&self.epilogue, &inputs[2..], inputs[1]);
        let (x, w) = (read(inputs[0]), read(inputs[1]));
        let bindings = vec![x, w, read(bias), read(residual), write(cx.out())];
        self.launch(cx, bindings);
    }

    /// A gated product whose halves meet inside a block.
    pub fn gate(cx: &mut Lowering<'_>, p: &Product) {
        let (ld, inputs) = (p.leading(cx), p.inputs.of(&cx.class));
        let strided = Strided {
            m: p.lead,
            n: p.blocks * p.rows,
            block: p.rows,
            k: p.inputs,
            x: Strides { outer: 1, summed: ld },
            w: Strides { outer: inputs, summed: 1 },
            y: (1, ld),
            epilogue: p.epilogue,
        };
        strided.launch(cx, p.bindings(p.y));
    }

    fn launch(self, cx: &mut Lowering<'_>, bindings: Vec<Bind>) {
        let n = if self.epilogue.glu { self.n / 2 } else { self.n };
        let constants = [
            size("M", self.m.fixed().unwrap_or(0)),
            size("LEAD", axis(self.m)),
            size("N", n),
            size("Q", self.block),
            size("P", self.k.fixed().unwrap_or(0)),
            size("KLEAD", axis(self.k)),
            size("XM", self.x.outer),
            size("XK", self.x.summed),
            size("BW", self.block * self.w.outer),
            size("WN", self.w.outer),
            size("WK", self.w.summed),
            size("YM", self.y.0),
            size("YN", self.y.1),
            flag("BIAS", self.epilogue.bias),
            size("ACTIVATION", activation(self.epilogue.activation)),
            flag("GLU", self.epilogue.glu),
            flag("RESIDUAL", self.epilogue.residual),
        ];
        let grid = Grid::new(self.m, 8, n.div_ceil(8));
        cx.launch(shaders::MATMUL_STRIDED, constants, bindings, grid);
    }
}
