//! Kernels made by a sine network.

use std::sync::Mutex;

use m2_ir::ops::ImplicitFilter;

use crate::{
    Error, Pool,
    array::Array,
    engine::{Machine, Run, View},
    gemm::{self, Epilogue, PackedB, Rows, RowsMut},
    math,
    pool::lock,
    real::Real,
};

pub(super) fn plain<R: Real>(op: &ImplicitFilter, x: &[&Array<R>], out: &mut Array<R>) {
    let [z, t, deltas, freq, w0, b0, w2, b2, w4, b4, w6] = x else { return };
    let layer = |h: &[R], w: &Array<R>, b: &Array<R>| -> Vec<R> {
        (0..w.rows())
            .map(|o| {
                let sum = h.iter().zip(w.row(o)).fold(b.data[o], |s, (&a, &w)| s + a * w);
                (R::of(op.w_mod) * freq.data[o] * sum).sin()
            })
            .collect()
    };
    for n in 0..out.rows().min(z.rows()) {
        let h = layer(z.row(n), w0, b0);
        let h = layer(&h, w2, b2);
        let h = layer(&h, w4, b4);
        for (c, k) in out.row_mut(n).iter_mut().enumerate() {
            let d = deltas.data[c];
            let decay = t.data[n] * if d < R::zero() { d } else { R::zero() - d };
            *k = h.iter().zip(w6.row(c)).fold(R::zero(), |s, (&a, &w)| s + a * w) * decay.exp();
        }
    }
}

/// The network block by block of positions, products and sines vectorised.
pub(crate) fn fast(
    machine: &Machine<'_>,
    op: &ImplicitFilter,
    run: &Run<'_>,
    x: &[View<'_>],
    out: &mut [f32],
) -> Result<(), Error> {
    let [z, t, deltas, freq, w0, b0, w2, b2, w4, b4, w6] = x else { return Ok(()) };
    let (isa, channels) = (machine.isa, deltas.width);
    let pack = |w: &View<'_>| PackedB::pack(isa, w.data, w.data.len() / w.width, w.width);
    let layers = [(pack(w0)?, b0.data), (pack(w2)?, b2.data), (pack(w4)?, b4.data)];
    let last = pack(w6)?;
    let freq: Vec<f32> = freq.data.iter().map(|f| f * op.w_mod as f32).collect();
    let rates: Vec<f32> = deltas.data.iter().map(|d| -d.abs()).collect();
    let positions = run.sizes.span.min(z.data.len() / z.width);
    let (kernel, rest) = out[..run.sizes.span * channels].split_at_mut(positions * channels);
    rest.fill(0.0);
    let blocks: Vec<Mutex<&mut [f32]>> =
        kernel.chunks_mut(gemm::MC * channels).map(Mutex::new).collect();
    let failed = Mutex::new(None);
    machine.pool.run(blocks.len(), &|block, _| {
        let first = block * gemm::MC;
        let mut out = lock(&blocks[block]);
        let rows = out.len() / channels;
        let work = || -> Result<(), Error> {
            let alone = Pool::new(1);
            let mut h = z.data[first * z.width..][..rows * z.width].to_vec();
            for (w, bias) in &layers {
                let mut y = vec![0.0; rows * w.n()];
                let epilogue = Epilogue { bias: Some(bias), ..Epilogue::default() };
                let to = RowsMut::new(&mut y, rows, w.n());
                gemm::gemm(&alone, Rows::new(&h, rows, w.k()), w, to, &epilogue)?;
                y.chunks_exact_mut(w.n()).for_each(|row| math::mul(isa, row, &freq));
                math::sin(isa, &mut y);
                h = y;
            }
            let to = RowsMut::new(&mut out, rows, channels);
            gemm::gemm(&alone, Rows::new(&h, rows, last.k()), &last, to, &Epilogue::default())?;
            let mut decay = vec![0.0; channels];
            for (row, t) in out.chunks_exact_mut(channels).zip(&t.data[first..]) {
                decay.iter_mut().zip(&rates).for_each(|(d, r)| *d = r * t);
                math::exp(isa, &mut decay);
                math::mul(isa, row, &decay);
            }
            Ok(())
        };
        let mut work = work;
        if let Err(e) = work() {
            *lock(&failed) = Some(e);
        }
    });
    lock(&failed).take().map_or(Ok(()), Err)
}
