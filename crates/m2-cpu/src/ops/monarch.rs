//! Order-2 Monarch products.

use m2_ir::ops::Monarch;

use super::block_diag_matmul::product;
use crate::{array::Array, real::Real};

pub(super) fn plain<R: Real>(op: &Monarch, x: &[&Array<R>], out: &mut Array<R>) {
    let (w1, w2) = (x[1], x[2]);
    let (k, q, p) = (w1.shape[0], w1.shape[1], w1.shape[2]);
    let (l, s, r) = (w2.shape[0], w2.shape[1], w2.shape[2]);
    let (mut h, mut y) = (vec![R::zero(); k * q], vec![R::zero(); l * s]);
    for i in 0..out.rows() {
        let row = x[0].row(i);
        if op.permute_input {
            let permuted: Vec<R> = (0..k * p).map(|j| row[j % p * k + j / p]).collect();
            product(&permuted, w1, &mut h);
        } else {
            product(row, w1, &mut h);
        }
        let middle: Vec<R> = (0..l * r).map(|j| h[j % r * l + j / r]).collect();
        product(&middle, w2, &mut y);
        for (j, o) in out.row_mut(i).iter_mut().enumerate() {
            *o = y[j % l * s + j / l];
        }
    }
}
