//! Dense products with every epilogue.

use m2_ir::{
    Binary, Expr, NodeId, Op, Unary,
    ops::{Activation, Elementwise, Epilogue, MatMul, Orientation},
};

use super::check::{check, check_to};
use crate::support::case::Case;

/// Every combination of bias, activation, gate and residual.
pub fn epilogues() -> Vec<Epilogue> {
    let mut out = Vec::new();
    for activation in [Activation::None, Activation::Gelu, Activation::Tanh] {
        for bits in 0..8 {
            let (bias, glu, residual) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
            out.push(Epilogue { bias, activation, glu, residual });
        }
    }
    out
}

/// Adds a product of this width and its epilogue's operands.
pub fn with_epilogue(c: &mut Case, op: Op, product: &[NodeId], e: Epilogue, width: usize) {
    let mut operands = product.to_vec();
    if e.bias {
        operands.push(c.weight("bias", &[width], 1.0));
    }
    if e.residual {
        operands.push(c.tokens("residual", if e.glu { width / 2 } else { width }));
    }
    let y = c.g.named("y", op, &operands).unwrap();
    c.output(y);
}

#[test]
fn every_epilogue() {
    for epilogue in epilogues() {
        check("matmul", |c| {
            let (k, n) = (c.random.within(1, 70), 2 * c.random.within(1, 40));
            let x = c.tokens("x", k);
            let w = c.weight("w", &[n, k], 1.0);
            let op = MatMul { orientation: Orientation::Nt, epilogue };
            with_epilogue(c, op.into(), &[x, w], epilogue, n);
        });
    }
}

#[test]
fn transposed_weights() {
    check("matmul nn", |c| {
        let (k, n) = (c.random.within(1, 70), c.random.within(1, 70));
        let x = c.tokens("x", k);
        let w = c.weight("w", &[k, n], 1.0);
        let op = MatMul { orientation: Orientation::Nn, epilogue: Epilogue::default() };
        let y = c.g.named("y", op, &[x, w]).unwrap();
        c.output(y);
    });
}

#[test]
fn weights_that_runs_compute() {
    check("matmul of values", |c| {
        let (k, n) = (c.random.within(1, 20), c.random.within(1, 20));
        let (x, a) = (c.tokens("x", n), c.weight("a", &[n, k], 1.0));
        let b = c.weight("b", &[k, k], 1.0);
        // A product of two weights is computed once and read as a weight.
        let op = MatMul { orientation: Orientation::Nn, epilogue: Epilogue::default() };
        let ab = c.g.named("ab", op, &[a, b]).unwrap();
        let y = c.g.named("y", op, &[x, ab]).unwrap();
        c.output(y);
    });
}

#[test]
fn deep_products_keep_their_precision() {
    // Sums of 2000 products: √2000·6e-8.
    check_to("matmul deep", 6e-6, |c| {
        let x = c.tokens("x", 2000);
        let w = c.weight("w", &[3, 2000], 1.0);
        let y = c.g.named("y", MatMul::linear(), &[x, w]).unwrap();
        c.output(y);
    });
}

#[test]
fn biases_that_depend_on_weights() {
    check("matmul bias", |c| {
        let (k, n) = (c.random.within(1, 20), c.random.within(1, 20));
        let (x, w) = (c.tokens("x", k), c.weight("w", &[n, k], 1.0));
        let bias = c.weight("bias", &[n], 1.0);
        let tanh = Elementwise::new(Expr::input(0).unary(Unary::Tanh));
        let bias = c.g.named("tanh", tanh, &[bias]).unwrap();
        let epilogue = Epilogue { bias: true, ..Epilogue::default() };
        let op = MatMul { epilogue, ..MatMul::linear() };
        let y = c.g.named("y", op, &[x, w, bias]).unwrap();
        let sum = Elementwise::new(Expr::input(0).binary(Binary::Add, &Expr::input(1)));
        let z = c.g.named("z", sum, &[y, bias]).unwrap();
        c.output(z);
    });
}
