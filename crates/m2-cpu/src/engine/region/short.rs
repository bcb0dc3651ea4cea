//! The short convolution of a block: over rows in scratch, or over a product's tile while it is
//! in L1.

use std::{ops::Range, sync::Mutex};

use crate::{engine::Raw, isa::multiversion, pool::lock, simd::Simd};

/// A depthwise convolution over few tokens: weights (taps, C) and bias.
#[derive(Debug)]
pub(super) struct Short {
    pub taps: usize,
    w: Vec<f32>,
    b: std::sync::Arc<Raw>,
}

impl Short {
    /// From weights (C, taps).
    pub(super) fn new(taps: usize, w: &[f32], b: std::sync::Arc<Raw>) -> Self {
        let c = w.len() / taps.max(1);
        let w = (0..taps * c).map(|i| w[i % c * taps + i / c]).collect();
        Short { taps, w, b }
    }

    /// The convolution's columns `columns`.
    pub(super) fn columns(&self, columns: Range<usize>) -> Columns<'_> {
        let width = self.b.slice().len();
        Columns {
            taps: self.taps,
            w: &self.w[columns.start..],
            stride: width,
            b: &self.b.slice()[columns],
        }
    }
}

/// Some columns of a convolution.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    taps: usize,
    w: &'a [f32],
    stride: usize,
    b: &'a [f32],
}

impl<'a> Columns<'a> {
    /// The weights for the token `back` tokens before.
    #[inline(always)]
    fn tap(&self, back: usize) -> &'a [f32] {
        &self.w[(self.taps - 1 - back) * self.stride..][..self.b.len()]
    }
}

/// Rows before and in a block: the block's row i is row `first + i` here.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub data: &'a [f32],
    pub stride: usize,
    pub first: usize,
}

impl<'a> Input<'a> {
    #[inline(always)]
    fn row(&self, i: usize, width: usize) -> &'a [f32] {
        &self.data[i * self.stride..][..width]
    }
}

/// Where rows go: row i at `i * stride + column`.
pub(super) struct Output<'a> {
    pub data: &'a mut [f32],
    pub stride: usize,
    pub column: usize,
}

multiversion! {
    /// y = b + Σ x·w over the taps, `positions` being each row's place in its text: nothing
    /// before a text's start or before the first row of `x` counts.
    pub(super) fn short_conv(
        conv: Columns<'_>,
        x: Input<'_>,
        positions: &[u32],
        y: Output<'_>,
    ) => short_conv_body
}

#[inline(always)]
fn short_conv_body<S: Simd>(conv: Columns<'_>, x: Input<'_>, positions: &[u32], mut y: Output<'_>) {
    let width = conv.b.len();
    let whole = width / CHUNK * CHUNK;
    // All that the models have: three taps, the weights of a few columns in registers.
    if conv.taps == 3 {
        for column in (0..whole).step_by(CHUNK) {
            three_taps::<S>(conv, x, positions, &mut y, column);
        }
    }
    let rest = if conv.taps == 3 { whole..width } else { 0..width };
    if !rest.is_empty() {
        any_taps::<S>(conv, x, positions, &mut y, rest);
    }
}

/// Columns that [`three_taps`] works on at once.
const CHUNK: usize = 16;

#[inline(always)]
fn three_taps<S: Simd>(
    conv: Columns<'_>,
    x: Input<'_>,
    positions: &[u32],
    y: &mut Output<'_>,
    column: usize,
) {
    let values = |from: &[f32], at: usize| -> [f32; CHUNK] {
        from[at..].first_chunk::<CHUNK>().copied().unwrap_or_default()
    };
    let [w0, w1, w2] = [0, 1, 2].map(|back| values(conv.tap(back), column));
    let b = values(conv.b, column);
    let before = |back: usize| match x.first.checked_sub(back) {
        Some(at) => values(x.data, at * x.stride + column),
        None => [0.0; CHUNK],
    };
    let (mut x1, mut x2) = (before(1), before(2));
    for (i, &position) in positions.iter().enumerate() {
        let x0 = values(x.data, (x.first + i) * x.stride + column);
        let taps = (position as usize).min(x.first + i) + 1;
        let mut sum = [0.0; CHUNK];
        for c in 0..CHUNK {
            sum[c] = S::mul_add(x0[c], w0[c], b[c]);
        }
        if taps > 1 {
            for c in 0..CHUNK {
                sum[c] = S::mul_add(x1[c], w1[c], sum[c]);
            }
        }
        if taps > 2 {
            for c in 0..CHUNK {
                sum[c] = S::mul_add(x2[c], w2[c], sum[c]);
            }
        }
        let to = i * y.stride + y.column + column;
        y.data[to..to + CHUNK].copy_from_slice(&sum);
        (x2, x1) = (x1, x0);
    }
}

/// Columns `columns` with any number of taps.
#[inline(always)]
fn any_taps<S: Simd>(
    conv: Columns<'_>,
    x: Input<'_>,
    positions: &[u32],
    y: &mut Output<'_>,
    columns: Range<usize>,
) {
    for (i, &position) in positions.iter().enumerate() {
        let at = x.first + i;
        let y = &mut y.data[i * y.stride + y.column..][columns.clone()];
        y.copy_from_slice(&conv.b[columns.clone()]);
        for back in 0..conv.taps.min((position as usize).min(at) + 1) {
            let x = x.row(at - back, columns.end);
            for ((y, x), w) in
                y.iter_mut().zip(&x[columns.start..]).zip(&conv.tap(back)[columns.start..])
            {
                *y = S::mul_add(*x, *w, *y);
            }
        }
    }
}

/// Rows of the convolution's input at the borders of blocks: for each block its first `reach`
/// rows, then its last.
pub(super) struct Edges {
    reach: usize,
    width: usize,
    rows: Vec<Mutex<Vec<f32>>>,
}

impl Edges {
    pub(super) fn new(reach: usize, width: usize, blocks: usize) -> Self {
        let rows = (0..blocks).map(|_| Mutex::new(vec![0.0; 2 * reach * width])).collect();
        Edges { reach, width, rows }
    }

    /// Keeps columns `columns` of the first and last rows of block `index`, which has `rows` rows
    /// in `x` from its row 0 on.
    pub(super) fn save(&self, index: usize, x: Input<'_>, rows: usize, columns: Range<usize>) {
        let mut kept = lock(&self.rows[index]);
        let last = rows.saturating_sub(self.reach);
        for (half, from) in [0, last].into_iter().enumerate() {
            for i in 0..self.reach.min(rows) {
                let to = (half * self.reach + i) * self.width;
                kept[to + columns.start..to + columns.end]
                    .copy_from_slice(x.row(from + i, columns.len()));
            }
        }
    }

    /// The last rows of the block before, then the first of block `index`.
    pub(super) fn load(&self, index: usize, slot: &mut [f32]) {
        let n = self.reach * self.width;
        slot[..n].copy_from_slice(&lock(&self.rows[index - 1])[n..]);
        slot[n..2 * n].copy_from_slice(&lock(&self.rows[index])[..n]);
    }
}
