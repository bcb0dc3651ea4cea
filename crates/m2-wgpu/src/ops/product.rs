//! The family of matrix products: dense, block-diagonal, and the factors of a Monarch product.

use m2_ir::{
    Dim, NodeId,
    ops::{Activation, Epilogue},
};

use crate::{
    Error,
    launch::{Bind, Grid, Slot},
    lowering::{Lowering, axis, flag, read, size, write},
};

/// `y = epilogue(blockdiag(w) · x)` along the channels of every token.
pub(super) struct Product {
    /// Input with a symbolic leading axis.
    pub x: Slot,
    /// Weights (blocks, rows, inputs).
    pub w: NodeId,
    /// Result.
    pub y: Slot,
    /// The symbolic axis of x and y.
    pub lead: Dim,
    /// Number of blocks.
    pub blocks: usize,
    /// Results of a block.
    pub rows: usize,
    /// Inputs of a block.
    pub inputs: usize,
    /// Channel of x that input i of block b is: `x_map.0·b + x_map.1·i`.
    pub x_map: (usize, usize),
    /// Channel of y that row r of block b is.
    pub y_map: (usize, usize),
    /// Whether the weights lie (inputs, rows) instead of (rows, inputs).
    pub transposed: bool,
    /// What happens to the result.
    pub epilogue: Epilogue,
    /// Operands of the epilogue.
    pub extra: Vec<NodeId>,
}

/// The number by which kernels know an activation.
pub(super) fn activation(a: Activation) -> usize {
    match a {
        Activation::None => 0,
        Activation::Gelu => 1,
        Activation::Tanh => 2,
    }
}

/// Bias and residual bindings; the weights stand in for what is absent.
pub(super) fn extras(epilogue: &Epilogue, extra: &[NodeId], w: NodeId) -> (Bind, Bind) {
    let bias = if epilogue.bias { extra[0] } else { w };
    let residual = if epilogue.residual { extra[extra.len() - 1] } else { w };
    (read(bias), read(residual))
}

impl Product {
    /// A dense product of (S, K) by (N, K) or, transposed, (K, N).
    pub fn dense(x: NodeId, y: NodeId, lead: Dim, w: NodeId, rows: usize, inputs: usize) -> Self {
        Product {
            x: Slot::Value(x),
            w,
            y: Slot::Value(y),
            lead,
            blocks: 1,
            rows,
            inputs,
            x_map: (inputs, 1),
            y_map: (rows, 1),
            transposed: false,
            epilogue: Epilogue::default(),
            extra: Vec::new(),
        }
    }

    /// Adds the dispatch.
    ///
    /// # Errors
    /// Never for products that the graph's rules accept; kept for ops that share the signature.
    pub fn lower(self, cx: &mut Lowering<'_>) -> Result<(), Error> {
        if self.epilogue.glu {
            return self.gated(cx);
        }
        let ld = crate::layout::leading(self.lead, &cx.class);
        let mut constants = vec![
            size("NB", self.blocks),
            size("Q", self.rows),
            size("P", self.inputs),
            size("XB", self.x_map.0),
            size("XI", self.x_map.1),
            size("YB", self.y_map.0),
            size("YI", self.y_map.1),
        ];
        let kernel =
            self.weights(&mut constants, ld, (shaders::MATMUL_TILE, shaders::MATMUL_TILE_ANY));
        let tiles = self.blocks * self.rows.div_ceil(8);
        let grid = Grid::new(self.lead, 32, tiles.div_ceil(8));
        cx.launch(kernel, constants, self.bindings(), grid);
        Ok(())
    }

    /// The gate pairs row j with the row half the width further.
    fn gated(self, cx: &mut Lowering<'_>) -> Result<(), Error> {
        let (blocks, rows, block_shift, row_shift) = match self.blocks {
            1 => (1, self.rows / 2, 0, self.rows / 2),
            n if n % 2 == 0 => (n / 2, self.rows, n / 2, 0),
            // Half the width falls inside a block: the two products have no common inputs.
            _ => return self.strided(cx),
        };
        let ld = crate::layout::leading(self.lead, &cx.class);
        let mut constants = vec![
            size("NB", self.blocks),
            size("Q", self.rows),
            size("P", self.inputs),
            size("BLOCKS", blocks),
            size("ROWS", rows),
            size("GB", block_shift),
            size("GR", row_shift),
        ];
        let kernel =
            self.weights(&mut constants, ld, (shaders::MATMUL_GLU, shaders::MATMUL_GLU_ANY));
        let tiles = blocks * rows.div_ceil(4);
        let grid = Grid::new(self.lead, 32, tiles.div_ceil(8));
        cx.launch(kernel, constants, self.bindings(), grid);
        Ok(())
    }

    /// The kernel that fits the weights, and the constants that all tiled kernels share.
    fn weights<K>(
        &self,
        constants: &mut Vec<(&'static str, f64)>,
        ld: usize,
        (vec4, any): (K, K),
    ) -> K {
        constants.extend(self.shared(ld));
        if self.inputs.is_multiple_of(4) && !self.transposed {
            return vec4;
        }
        let (row, k) = if self.transposed { (1, self.rows) } else { (self.inputs, 1) };
        constants.extend([size("WN", row), size("WK", k)]);
        any
    }

    fn shared(&self, ld: usize) -> Vec<(&'static str, f64)> {
        let e = &self.epilogue;
        vec![
            size("LD", ld),
            size("LEAD", axis(self.lead)),
            flag("BIAS", e.bias),
            size("ACTIVATION", activation(e.activation)),
            flag("RESIDUAL", e.residual),
        ]
    }

    fn bindings(&self) -> Vec<Bind> {
        let (bias, residual) = extras(&self.epilogue, &self.extra, self.w);
        vec![Bind::Read(self.x), read(self.w), bias, residual, Bind::Write(self.y)]
    }

    /// A gate of an odd number of blocks.
    fn strided(self, cx: &mut Lowering<'_>) -> Result<(), Error> {
        let ld = crate::layout::leading(self.lead, &cx.class);
        let n = self.blocks * self.rows / 2;
        let constants = [
            size("LEAD", axis(self.lead)),
            size("N", n),
            size("Q", self.rows),
            size("P", self.inputs),
            size("XM", 1),
            size("XK", ld),
            size("BW", self.rows * self.inputs),
            size("WN", self.inputs),
            size("WK", 1),
            size("YM", 1),
            size("YN", ld),
            flag("BIAS", self.epilogue.bias),
            size("ACTIVATION", activation(self.epilogue.activation)),
            flag("GLU", true),
            flag("RESIDUAL", self.epilogue.residual),
        ];
        let grid = Grid::new(self.lead, 8, n.div_ceil(8));
        cx.launch(shaders::MATMUL_STRIDED, constants, self.bindings(), grid);
        Ok(())
    }
}

/// Strides of a two-dimensional operand of a [`strided`] product.
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
        let n = if self.epilogue.glu { self.n / 2 } else { self.n };
        let constants = [
            size("M", self.m.fixed().unwrap_or(0)),
            size("LEAD", axis(self.m)),
            size("N", n),
            size("Q", self.n),
            size("P", self.k.fixed().unwrap_or(0)),
            size("KLEAD", axis(self.k)),
            size("XM", self.x.outer),
            size("XK", self.x.summed),
            size("WN", self.w.outer),
            size("WK", self.w.summed),
            size("YM", self.y.0),
            size("YN", self.y.1),
            flag("BIAS", self.epilogue.bias),
            size("ACTIVATION", activation(self.epilogue.activation)),
            flag("GLU", self.epilogue.glu),
            flag("RESIDUAL", self.epilogue.residual),
        ];
        let (bias, residual) = extras(&self.epilogue, &inputs[2..], inputs[1]);
        let bindings = vec![read(inputs[0]), read(inputs[1]), bias, residual, write(cx.out())];
        let grid = Grid::new(self.m, 8, n.div_ceil(8));
        cx.launch(shaders::MATMUL_STRIDED, constants, bindings, grid);
    }
}
