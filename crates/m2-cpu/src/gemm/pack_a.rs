//! A block of token rows packed for the micro-kernel.

use super::pack_b::micro_tile;
use super::{GemmError, MC, Rows};
use crate::Isa;
use crate::aligned::AlignedVec;
use crate::isa::multiversion;
use crate::simd::Simd;

/// At most [`MC`] rows of x as groups: `[rows / MR][k][MR]`, the last group's missing rows zero.
///
/// The buffer is made once for the widest x and packed again for every block.
#[derive(Debug)]
pub struct PackedA {
    isa: Isa,
    mr: usize,
    capacity: usize,
    rows: usize,
    k: usize,
    data: AlignedVec<f32>,
}

impl PackedA {
    /// Room for [`MC`] rows of up to `capacity` columns.
    ///
    /// # Errors
    /// [`GemmError::OutOfMemory`].
    pub fn new(isa: Isa, capacity: usize) -> Result<Self, GemmError> {
        let (mr, _) = micro_tile(isa);
        let data = AlignedVec::try_zeroed(MC.next_multiple_of(mr).saturating_mul(capacity))?;
        Ok(Self { isa, mr, capacity, rows: 0, k: 0, data })
    }

    /// The instruction set the groups are laid out for.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Rows packed.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns packed.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Packs all rows of `x`.
    ///
    /// # Panics
    /// Where x has more than [`MC`] rows or more columns than the capacity, or its slice is too
    /// short.
    pub fn pack(&mut self, x: Rows<'_>) {
        self.begin(x.rows, x.width);
        self.put(0, x);
    }

    /// Starts a block of `rows` rows and `k` columns that [`put`](Self::put) fills; until then
    /// its values are unspecified.
    ///
    /// # Panics
    /// Where `rows` is above [`MC`] or `k` above the capacity.
    pub fn begin(&mut self, rows: usize, k: usize) {
        assert!(rows <= MC, "at most {MC} rows, found {rows}");
        assert!(k <= self.capacity, "at most {} columns, found {k}", self.capacity);
        self.rows = rows;
        self.k = k;
    }

    /// Packs `part` as the columns `column..column + part.width` of the block; it may be a
    /// finished tile, which then never goes through memory unpacked.
    ///
    /// # Panics
    /// Where `part` has another number of rows than the block, reaches past its columns, or its
    /// slice is too short.
    pub fn put(&mut self, column: usize, part: Rows<'_>) {
        assert_eq!(part.rows, self.rows, "rows of a part and of the block");
        assert!(column + part.width <= self.k, "the part reaches past {} columns", self.k);
        if let Err(error) = part.check("values of x") {
            panic!("{error}");
        }
        if part.rows == 0 || part.width == 0 {
            return;
        }
        let group = self.k * self.mr;
        let groups = &mut self.data[..self.rows.div_ceil(self.mr) * group];
        put_groups(self.isa, groups, group, column, part);
    }

    /// The packed values of columns `column..`, and the distance from one group to the next.
    pub(super) fn at_column(&self, column: usize) -> (&[f32], usize) {
        let group = self.k * self.mr;
        let end = self.rows.div_ceil(self.mr) * group;
        (&self.data[(column * self.mr).min(end)..end], group)
    }
}

multiversion! {
    fn put_groups(groups: &mut [f32], group: usize, column: usize, part: Rows<'_>) => put_groups_body
}

#[inline(always)]
fn put_groups_body<S: Simd>(groups: &mut [f32], group: usize, column: usize, part: Rows<'_>) {
    match S::MR {
        4 => put_rows::<4>(groups, group, column, part),
        _ => put_rows::<8>(groups, group, column, part),
    }
}

/// Transposes groups of `MR` rows, eight columns at a time so that the compiler does it in
/// registers.
#[inline(always)]
fn put_rows<const MR: usize>(groups: &mut [f32], group: usize, column: usize, part: Rows<'_>) {
    const STEP: usize = 8;
    let zeros = [0.0; STEP];
    for (index, out) in groups.chunks_exact_mut(group).enumerate() {
        let out = &mut out[column * MR..(column + part.width) * MR];
        let first = index * MR;
        let full = part.width / STEP * STEP;
        for (c, out) in out.chunks_exact_mut(STEP * MR).enumerate() {
            let mut block = [&zeros; MR];
            for (r, row) in block.iter_mut().enumerate() {
                if first + r < part.rows {
                    let start = (first + r) * part.stride + c * STEP;
                    if let Some(values) = part.data[start..].first_chunk::<STEP>() {
                        *row = values;
                    }
                }
            }
            let mut turned = [[0.0; MR]; STEP];
            for i in 0..STEP {
                for r in 0..MR {
                    turned[i][r] = block[r][i];
                }
            }
            out.copy_from_slice(turned.as_flattened());
        }
        for c in full..part.width {
            for r in 0..MR {
                let row = first + r;
                out[c * MR + r] =
                    if row < part.rows { part.data[row * part.stride + c] } else { 0.0 };
            }
        }
    }
}
