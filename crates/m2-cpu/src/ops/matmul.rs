//! Dense products.

use m2_ir::ops::{MatMul, Orientation};

use super::epilogue;
use crate::{array::Array, real::Real};

pub(super) fn plain<R: Real>(op: &MatMul, x: &[&Array<R>], out: &mut Array<R>) {
    let (a, w) = (x[0], x[1]);
    let (n, k) = match op.orientation {
        Orientation::Nt => (w.shape[0], w.shape[1]),
        Orientation::Nn => (w.shape[1], w.shape[0]),
        Orientation::Tn => (w.shape[1], a.rows()),
    };
    // Columns of the product side by side, so that the inner loop runs along memory.
    let columns: Vec<R> = match op.orientation {
        Orientation::Nt => (0..k * n).map(|i| w.data[i % n * k + i / n]).collect(),
        Orientation::Nn | Orientation::Tn => w.data.clone(),
    };
    let mut y = vec![R::zero(); n];
    for i in 0..out.rows() {
        y.fill(R::zero());
        for p in 0..k {
            let v = match op.orientation {
                Orientation::Nt | Orientation::Nn => a.data[i * k + p],
                Orientation::Tn => a.data[p * a.width() + i],
            };
            y.iter_mut().zip(&columns[p * n..]).for_each(|(y, &c)| *y += v * c);
        }
        epilogue::plain(&op.epilogue, &mut y, &x[2..], i, out.row_mut(i));
    }
}
