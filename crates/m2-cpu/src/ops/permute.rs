//! Axes in another order.

use m2_ir::ops::Permute;

use crate::{array::Array, real::Real};

pub(super) fn plain<R: Real>(op: &Permute, x: &Array<R>, out: &mut Array<R>) {
    let rank = x.shape.len();
    let stride = |axis: usize| x.shape[axis + 1..].iter().product::<usize>();
    let strides: Vec<usize> = op.order.iter().map(|&a| stride(a)).collect();
    let mut index = vec![0; rank];
    for o in &mut out.data {
        *o = x.data[index.iter().zip(&strides).map(|(i, s)| i * s).sum::<usize>()];
        for (i, &n) in index.iter_mut().zip(&out.shape).rev() {
            *i += 1;
            if *i < n {
                break;
            }
            *i = 0;
        }
    }
}
