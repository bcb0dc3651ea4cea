//! Products of a block: which panels of which weights make which columns.

use std::sync::Arc;

use super::{
    Shared,
    block::Block,
    build::{Operand, Stage, StageOp, panel},
};
use crate::{
    engine::Raw,
    gemm::{self, PackedA, PackedB, Rows},
    isa::multiversion,
    math,
    simd::Simd,
};

/// A dense or block-diagonal product with its epilogue.
#[derive(Debug)]
pub(super) struct Product {
    /// Weights, cut into blocks of rows.
    pub packed: Arc<Vec<PackedB>>,
    pub parts: Vec<Part>,
    /// Bias of the product; behind it that of the linear half, if gated.
    pub bias: Option<Arc<Raw>>,
    pub activation: gemm::Activation,
    pub residual: Option<Operand>,
    pub x: Operand,
    /// Which packed block holds x, and whether this stage packs it.
    pub pack: usize,
    pub fresh: bool,
    /// The stage that makes x piece by piece, and for each part the tiles it needs.
    pub chain: Option<Chain>,
    /// The short convolution that takes each tile.
    pub short: Option<usize>,
}

/// One block of weights: columns `out..` of the result from columns `a..` of x.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub a: usize,
    pub b: usize,
    /// The linear half of a gate: columns of x and block of weights.
    pub linear: Option<(usize, usize)>,
    pub out: usize,
}

/// A gated product that feeds a block-diagonal one block after block, so that its wide result never
/// exists.
#[derive(Debug)]
pub(super) struct Chain {
    pub stage: usize,
    /// For each part of the consumer: (part, panel) of the producer, in the order of columns.
    pub tiles: Vec<Vec<(usize, usize)>>,
}

/// The parts of a product: blocks side by side, or all reading the whole of x (`dense`).
pub(super) fn parts(packed: &[PackedB], dense: bool, glu: bool) -> Vec<Part> {
    let half = if glu { packed.len() / 2 } else { packed.len() };
    let at = |b: usize| if dense { 0 } else { b * packed[b].k() };
    (0..half)
        .map(|b| Part {
            a: at(b),
            b,
            linear: glu.then(|| (at(b + half), b + half)),
            out: b * packed[b].n(),
        })
        .collect()
}

/// Marks each product whose only reader is the block-diagonal product right behind it.
pub(super) fn chain(stages: &mut [Stage]) {
    for i in 1..stages.len() {
        let (before, after) = stages.split_at_mut(i);
        let (inner, outer) = (&mut before[i - 1], &mut after[0]);
        let (StageOp::Product(p), StageOp::Product(q)) = (&inner.op, &mut outer.op) else {
            continue;
        };
        let feeds = matches!(q.x, Operand::Slot { slot, start: 0, .. } if slot == inner.slot);
        if !feeds || inner.readers != 1 || inner.publish.is_some() || q.parts.len() < 2 {
            continue;
        }
        if let Some(tiles) = tiles(p, q) {
            q.chain = Some(Chain { stage: i - 1, tiles });
            inner.chained = true;
        }
    }
}

/// Marks each product whose only reader is the short convolution right behind it: that takes the
/// tiles from L1, and the wide product never exists.
pub(super) fn shorten(stages: &mut [Stage]) {
    for i in 1..stages.len() {
        let (before, after) = stages.split_at_mut(i);
        let (product, short) = (&mut before[i - 1], &mut after[0]);
        let (StageOp::Product(p), StageOp::Short(x, _)) = (&mut product.op, &short.op) else {
            continue;
        };
        let feeds = matches!(x, Operand::Slot { slot, start: 0, .. } if *slot == product.slot);
        let plain = p.chain.is_none() && p.residual.is_none() && !product.chained;
        if feeds && plain && product.readers == 1 && product.publish.is_none() {
            p.short = Some(i);
            short.chained = true;
        }
    }
}

/// The producer's tiles behind each part of the consumer, if no tile straddles two parts.
fn tiles(p: &Product, q: &Product) -> Option<Vec<Vec<(usize, usize)>>> {
    let nr = panel(&p.packed);
    let aligned = |n: usize| n.is_multiple_of(nr);
    let fits = p.parts.iter().all(|a| aligned(a.out) && aligned(p.packed[a.b].n()))
        && q.parts.iter().all(|b| aligned(b.a) && aligned(q.packed[b.b].k()));
    fits.then(|| {
        q.parts
            .iter()
            .map(|b| {
                let wanted = b.a..b.a + q.packed[b.b].k();
                let all = p.parts.iter().enumerate().flat_map(|(i, a)| {
                    (0..p.packed[a.b].panels()).map(move |panel| (i, panel, a.out + panel * nr))
                });
                all.filter(|t| wanted.contains(&t.2)).map(|t| (t.0, t.1)).collect()
            })
            .collect()
    })
}

impl Product {
    /// Every (part, panel) of the product.
    pub(super) fn units(&self) -> impl Iterator<Item = (usize, usize)> {
        self.parts
            .iter()
            .enumerate()
            .flat_map(|(i, p)| (0..self.packed[p.b].panels()).map(move |panel| (i, panel)))
    }

    /// Computes one tile with its epilogue into `tile`, `base` being the column of x that column 0
    /// of `a` holds; returns its columns in the result.
    pub(super) fn tile(
        &self,
        shared: &Shared<'_>,
        block: &Block,
        a: &PackedA,
        base: usize,
        (part, panel): (usize, usize),
        tiles: &mut Tiles,
    ) -> std::ops::Range<usize> {
        let isa = shared.machine.isa;
        let part = self.parts[part];
        let b = &self.packed[part.b];
        let nr = b.nr();
        let len = a.rows() * nr;
        let (out, other) = (&mut tiles.first[..len], &mut tiles.second[..len]);
        gemm::tile(a, part.a - base, b, panel, out, false);
        let inside = b.columns(panel);
        let columns = part.out + inside.start..part.out + inside.end;
        let bias = self.bias.as_ref().map(|b| b.slice());
        if let Some(bias) = bias {
            add_row(isa, out, nr, &bias[columns.clone()]);
        }
        match part.linear {
            Some((column, block)) => {
                gemm::tile(a, column - base, &self.packed[block], panel, other, false);
                if let Some(bias) = bias {
                    let bias = &bias[bias.len() / 2..];
                    add_row(isa, other, nr, &bias[columns.clone()]);
                }
                match self.activation {
                    gemm::Activation::Gelu => math::gelu_mul(isa, out, other),
                    activation => {
                        activate(isa, activation, out);
                        math::mul(isa, out, other);
                    }
                }
            }
            None => activate(isa, self.activation, out),
        }
        if let Some(residual) = &self.residual {
            add_rows(isa, out, nr, block.rows_of(shared, residual), columns.clone());
        }
        columns
    }
}

/// Two tiles: the result's and the linear half's.
#[derive(Debug)]
pub(super) struct Tiles {
    pub first: Vec<f32>,
    pub second: Vec<f32>,
}

impl Tiles {
    /// The finished tile as rows.
    pub(super) fn rows(&self, rows: usize, width: usize, nr: usize) -> Rows<'_> {
        Rows { data: &self.first, rows, width, stride: nr }
    }
}

fn activate(isa: crate::Isa, f: gemm::Activation, x: &mut [f32]) {
    match f {
        gemm::Activation::Identity => {}
        gemm::Activation::Gelu => math::gelu(isa, x),
        gemm::Activation::Tanh => math::tanh(isa, x),
    }
}

multiversion! {
    /// Adds `bias` to every row of a tile of stride `nr`.
    fn add_row(tile: &mut [f32], nr: usize, bias: &[f32]) => add_row_body
}

#[inline(always)]
fn add_row_body<S: Simd>(tile: &mut [f32], nr: usize, bias: &[f32]) {
    for row in tile.chunks_exact_mut(nr) {
        row.iter_mut().zip(bias).for_each(|(v, b)| *v += b);
    }
}

multiversion! {
    /// Adds columns `columns` of `other` to a tile of stride `nr`.
    fn add_rows(
        tile: &mut [f32],
        nr: usize,
        other: Rows<'_>,
        columns: std::ops::Range<usize>,
    ) => add_rows_body
}

#[inline(always)]
fn add_rows_body<S: Simd>(
    tile: &mut [f32],
    nr: usize,
    other: Rows<'_>,
    columns: std::ops::Range<usize>,
) {
    for (r, row) in tile.chunks_exact_mut(nr).enumerate() {
        let other = &other.data[r * other.stride..][columns.clone()];
        row.iter_mut().zip(other).for_each(|(v, o)| *v += o);
    }
}
