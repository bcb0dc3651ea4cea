//! Attention of its parts.

use std::sync::Mutex;

use m2_ir::{
    Row,
    ops::{Attention, AttentionScores, alibi_slopes},
};

use super::{attention_apply, attention_scores, softmax};
use crate::{
    Error, Isa,
    array::Array,
    engine::{Machine, Run, View},
    gemm::{self, MC, PackedA, PackedB, Rows},
    math,
    pool::lock,
    real::Real,
    reference::Context,
};

pub(super) fn plain<R: Real>(
    op: &Attention,
    ctx: &Context<'_>,
    x: &[&Array<R>],
    out: &mut Array<R>,
) {
    let shape = [x[0].shape[0], op.heads, ctx.rows.longest()];
    let (mut scores, mut probs) = (Array::zeros(&shape), Array::zeros(&shape));
    let parts = AttentionScores { heads: op.heads, alibi: op.alibi };
    attention_scores::plain(&parts, ctx, &x[..2], &mut scores);
    softmax::plain(&scores, &mut probs);
    attention_apply::plain(ctx, &[&probs, x[2]], out);
}

/// Attention of one (row, head) a task, 64 queries at a time: memory grows with the row's length,
/// not with its square.
pub(crate) fn fast(
    machine: &Machine<'_>,
    op: &Attention,
    run: &Run<'_>,
    x: &[View<'_>],
    out: &mut [f32],
) -> Result<(), Error> {
    let rows = run.batch.rows().rows();
    let d = x[0].width / op.heads;
    let slopes = alibi_slopes(op.heads);
    let target = Target { data: out.as_mut_ptr(), len: out.len(), width: x[0].width };
    let failed = Mutex::new(None);
    machine.pool.run(rows.len() * op.heads, &|task, _| {
        let (row, head) = (rows[task / op.heads], task % op.heads);
        let slope = if op.alibi { slopes[head] as f32 } else { 0.0 };
        let part = |x| Head { x, row, from: head * d, width: d };
        let one = one_head(machine.isa, part(x[0]), part(x[1]), part(x[2]), slope, &target);
        if let Err(e) = one {
            *lock(&failed) = Some(e);
        }
    });
    lock(&failed).take().map_or(Ok(()), Err)
}

/// One head's columns of one row.
#[derive(Clone, Copy)]
struct Head<'a> {
    x: View<'a>,
    row: Row,
    from: usize,
    width: usize,
}

impl<'a> Head<'a> {
    fn rows(&self, first: usize, rows: usize) -> Rows<'a> {
        let start = (self.row.offset as usize + first) * self.x.stride + self.from;
        Rows { data: &self.x.data[start..], rows, width: self.width, stride: self.x.stride }
    }

    /// The first `n` rows side by side.
    fn contiguous(&self, n: usize) -> Vec<f32> {
        (0..n).flat_map(|i| self.rows(i, 1).data[..self.width].iter().copied()).collect()
    }
}

fn one_head(
    isa: Isa,
    q: Head<'_>,
    k: Head<'_>,
    v: Head<'_>,
    slope: f32,
    target: &Target,
) -> Result<(), Error> {
    let (length, keys, d) = (q.row.length as usize, q.row.valid as usize, q.width);
    let packed_k = PackedB::pack(isa, &k.contiguous(keys), keys, d)?;
    let packed_v = PackedB::pack_transposed(isa, &v.contiguous(keys), keys, d)?;
    let (mut a, mut p) = (PackedA::new(isa, d)?, PackedA::new(isa, keys)?);
    let nr = packed_k.nr();
    let mut tile = vec![0.0; MC * nr];
    let mut scores = vec![0.0; MC * keys];
    let scale = 1.0 / (d as f32).sqrt();
    for first in (0..length).step_by(MC) {
        let rows = MC.min(length - first);
        a.pack(q.rows(first, rows));
        for panel in 0..packed_k.panels() {
            gemm::tile(&a, 0, &packed_k, panel, &mut tile, false);
            let columns = packed_k.columns(panel);
            for (s, t) in scores.chunks_exact_mut(keys).zip(tile.chunks_exact(nr)).take(rows) {
                let s = &mut s[columns.clone()];
                s.iter_mut().zip(t).for_each(|(s, t)| *s = t * scale);
            }
        }
        for (i, s) in scores.chunks_exact_mut(keys.max(1)).take(rows).enumerate() {
            if slope != 0.0 {
                let distance = |j: usize| (first + i).abs_diff(j) as f32;
                s.iter_mut().enumerate().for_each(|(j, s)| *s -= slope * distance(j));
            }
            math::softmax(isa, s);
        }
        p.pack(Rows::new(&scores, rows, keys));
        for panel in 0..packed_v.panels() {
            gemm::tile(&p, 0, &packed_v, panel, &mut tile, false);
            let columns = packed_v.columns(panel);
            for (i, t) in tile.chunks_exact(nr).take(rows).enumerate() {
                let token = q.row.offset as usize + first + i;
                target.write(token, q.from + columns.start, &t[..columns.len()]);
            }
        }
    }
    Ok(())
}

/// The result, of which each task writes its own row's and head's part.
struct Target {
    data: *mut f32,
    len: usize,
    width: usize,
}

// SAFETY: tasks write disjoint elements, see `Target`.
unsafe impl Sync for Target {}

impl Target {
    fn write(&self, token: usize, column: usize, values: &[f32]) {
        let at = token * self.width + column;
        assert!(at + values.len() <= self.len, "a head outside its result");
        // SAFETY: inside the result by the assertion, and no other task has this part.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.data.add(at), values.len()) }
    }
}
