//! Matrix products y = x Wᵀ in f32 with weights packed once.
//!
//! W (n, k) becomes panels of `NR` rows ([`PackedB`]), a block of at most [`MC`] rows of x becomes
//! groups of `MR` rows ([`PackedA`]), and [`tile`] multiplies one block with one panel into a
//! tile of [`MC`] × `NR` values that stays in L1 or L2. Whoever calls [`tile`] finishes the tile
//! while it is hot; [`gemm`], [`gemm_glu`] and [`gemm_blocks`] do it for plain products.
//!
//! Every element is summed over k in rising order by one fused multiply-add per term, whatever the
//! number of rows, threads or the vector width: with the same weights a row gives the same bits in
//! every batch and on every instruction set, except [`Isa::Portable`](crate::Isa), which rounds
//! twice per term.

mod driver;
mod epilogue;
mod kernel;
mod pack_a;
mod pack_b;
#[cfg(test)]
mod tests;

pub use driver::{gemm, gemm_blocks, gemm_glu};
pub use epilogue::{Activation, Epilogue, add_bias};
pub use kernel::tile;
pub use pack_a::PackedA;
pub use pack_b::{PackedB, PackedBlocks};

use crate::aligned::OutOfMemory;

/// The most rows one [`PackedA`] holds: at the models' widths, 128 rows, their tile and the part of a
/// panel in use fit an L2 of 512 KiB to 1 MiB, and weights are read half as often as with 64.
pub const MC: usize = 128;

/// A product that cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GemmError {
    /// An operand has the wrong number of values.
    #[error("{what}: found {found}, expected {expected}")]
    Shape {
        /// The operand and the quantity.
        what: &'static str,
        /// What the caller gave.
        found: usize,
        /// What the shapes of the other operands ask for.
        expected: usize,
    },
    /// A buffer could not be allocated.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}

/// `Ok` where `found == expected`.
fn expect(what: &'static str, found: usize, expected: usize) -> Result<(), GemmError> {
    if found == expected { Ok(()) } else { Err(GemmError::Shape { what, found, expected }) }
}

/// Rows of f32 in memory: `rows` rows of `width` values, each `stride` after the last.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The values, from the first of the first row on.
    pub data: &'a [f32],
    /// Number of rows.
    pub rows: usize,
    /// Values per row.
    pub width: usize,
    /// Values from one row's start to the next.
    pub stride: usize,
}

impl<'a> Rows<'a> {
    /// Contiguous rows of `width` values.
    pub fn new(data: &'a [f32], rows: usize, width: usize) -> Self {
        Self { data, rows, width, stride: width }
    }

    fn check(&self, what: &'static str) -> Result<(), GemmError> {
        check_rows(what, self.data.len(), self.rows, self.width, self.stride)
    }
}

/// Rows of f32 to write to, laid out as [`Rows`].
#[derive(Debug)]
pub struct RowsMut<'a> {
    /// The values, from the first of the first row on.
    pub data: &'a mut [f32],
    /// Number of rows.
    pub rows: usize,
    /// Values per row.
    pub width: usize,
    /// Values from one row's start to the next.
    pub stride: usize,
}

impl<'a> RowsMut<'a> {
    /// Contiguous rows of `width` values.
    pub fn new(data: &'a mut [f32], rows: usize, width: usize) -> Self {
        Self { data, rows, width, stride: width }
    }

    fn check(&self, what: &'static str) -> Result<(), GemmError> {
        check_rows(what, self.data.len(), self.rows, self.width, self.stride)
    }
}

fn check_rows(
    what: &'static str,
    len: usize,
    rows: usize,
    width: usize,
    stride: usize,
) -> Result<(), GemmError> {
    if rows == 0 || width == 0 {
        return Ok(());
    }
    let needed = (rows - 1).checked_mul(stride).and_then(|n| n.checked_add(width));
    let needed = needed.unwrap_or(usize::MAX);
    if (rows > 1 && stride < width) || len < needed {
        let expected = if stride < width { rows.saturating_mul(width) } else { needed };
        return Err(GemmError::Shape { what, found: len, expected });
    }
    Ok(())
}
