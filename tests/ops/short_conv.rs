//! The depthwise causal convolution with a few taps.

use m2::Device;
use m2_ir::{
    Binary, Expr, Sizes,
    ops::{Elementwise, Epilogue, MatMul, Orientation, ShortConv, Slice},
    plan::Fusion,
};

use super::check::{batches, check, compare};
use crate::support::case::{Case, RowSpec, table};

#[test]
fn any_number_of_taps() {
    check("short_conv", |c| {
        let (width, taps) = (c.random.within(1, 40), c.random.within(1, 6));
        let x = c.tokens("x", width);
        let w = c.weight("w", &[width, 1, taps], 1.0);
        let b = c.weight("b", &[width], 1.0);
        let y = c.g.named("y", ShortConv { taps }, &[x, w, b]).unwrap();
        c.output(y);
    });
}

/// As the mixer has it: the convolution follows a product, and products of its columns follow it.
/// Texts of one token more than whole blocks leave a last block shorter than the taps reach.
#[test]
fn between_products_at_the_borders_of_blocks() {
    for (round, taps) in [3, 2, 3, 5, 3].into_iter().enumerate() {
        let mut c = Case::new(round as u32);
        let (k, n) = (c.random.within(1, 30), 16 * c.random.within(1, 4) + c.random.within(0, 15));
        let x = c.tokens("x", k);
        let up = c.weight("up", &[2 * n, k], 1.0);
        let bias = c.weight("bias", &[2 * n], 1.0);
        let epilogue = Epilogue { bias: true, ..Epilogue::default() };
        let product = MatMul { orientation: Orientation::Nt, epilogue };
        let wide = c.g.named("wide", product, &[x, up, bias]).unwrap();
        let w = c.weight("w", &[2 * n, 1, taps], 1.0);
        let b = c.weight("b", &[2 * n], 1.0);
        let short = c.g.named("short", ShortConv { taps }, &[wide, w, b]).unwrap();
        let half = |start| Slice { axis: 1, start, len: n };
        let left = c.g.named("left", half(0), &[short]).unwrap();
        let right = c.g.named("right", half(n), &[short]).unwrap();
        let gate = Elementwise::new(Expr::input(0).binary(Binary::Mul, &Expr::input(1)));
        let gated = c.g.named("gated", gate, &[left, right]).unwrap();
        let down = c.weight("down", &[5, n], 1.0);
        let product = MatMul { orientation: Orientation::Nt, epilogue: Epilogue::default() };
        let y = c.g.named("y", product, &[gated, down]).unwrap();
        c.output(right);
        c.output(y);
        let ready = c.finish();
        let mut all = batches(round as u32);
        all.push(vec![RowSpec { key: 0, length: 97, valid: 97 }]);
        all.push([130, 1, 2, 256].map(|n| RowSpec { key: n, length: n, valid: n }).to_vec());
        for rows in all {
            let t = table(&rows);
            let sizes = Sizes { tokens: t.tokens(), rows: rows.len(), asked: 2, span: t.longest() };
            let expected = ready.oracle(&rows, &[]);
            for threads in [1, 2, 5] {
                let device = Device::cpu(threads);
                let mut program = ready.load(&device, sizes.class(), Fusion::Full);
                let found = ready.run(&device, &mut program, sizes.class(), &rows, &[]);
                compare(&format!("{threads} threads"), &expected, &found, &rows, 1e-5);
            }
        }
    }
}
