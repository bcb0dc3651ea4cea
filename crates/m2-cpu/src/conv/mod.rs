//! Long convolutions of a few lengths by FFT, sixteen channels side by side in the vector lanes.
//!
//! For a row of ℓ tokens and every channel h
//!
//! `y[t] = Σ_{s≤t} k[t−s]·x[s] + Σ_{s>t} k_rev[s−t−1]·x[s] + D·x[t]`
//!
//! (`k_rev` absent: causal). Two such convolutions of one channel, of a and of u, are one complex
//! signal z = a + i·u: with P = (K₁+K₂)/2 and M = (K₁−K₂)/2 the transform of y₁ + i·y₂ at f is
//! `Z(f)·P(f) + conj Z(−f)·M(f)`. The transform of the zero-padded signal of 2L points starts with
//! a radix-8 stage that knows four of its eight inputs to be zero; its even outputs are the cyclic,
//! its odd ones the negacyclic half. D is part of lag 0, the factor 1/(2L) part of the spectra.
//!
//! The unit of work is one *group* of [`LANES`] channels with all its rows; groups are independent,
//! so callers hand them to threads, each with its own [`Scratch`].

mod fft;
mod filter;
mod middle;
mod pair;
mod row;
mod single;
mod stage;
#[cfg(test)]
mod tests;
mod transform;
mod vector;
mod view;

use m2_ir::RowTable;

pub use filter::{Filter, ReverseLag, build_pair_group, build_single_group};
pub use pair::{PairOperands, conv_pair_group};
pub use single::{SingleOperands, conv_single_group};
pub use transform::{Scratch, Transform};
pub use view::{Matrix, MatrixMut, Row};

/// Channels in a group: one cache line of f32.
pub const LANES: usize = 16;

/// Groups that hold `channels` channels; the last one may be partly empty.
pub fn groups(channels: usize) -> usize {
    channels.div_ceil(LANES)
}

/// The rows of a batch.
pub fn rows(table: &RowTable) -> Vec<Row> {
    let row = |r: &m2_ir::Row| Row { offset: r.offset as usize, len: r.length as usize };
    table.rows().iter().map(row).collect()
}
