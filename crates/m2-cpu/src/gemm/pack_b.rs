//! Weights packed once for the micro-kernel.

use std::sync::Mutex;

use super::{GemmError, expect};
use crate::aligned::AlignedVec;
use crate::pool::lock;
use crate::simd::Simd;
use crate::{Isa, Pool};

/// W (n, k) as panels: `[n / NR][k][NR]`, the last panel's missing rows zero.
#[derive(Debug)]
pub struct PackedB {
    isa: Isa,
    n: usize,
    k: usize,
    data: AlignedVec<f32>,
}

/// Calls a function once for each of so many panels.
type RunPanels<'a> = dyn Fn(usize, &(dyn Fn(usize) + Sync)) + 'a;

impl PackedB {
    /// Packs `w`, (n, k) row-major, for the kernels of `isa`.
    ///
    /// # Errors
    /// [`GemmError::Shape`] where `w` has not n·k values; [`GemmError::OutOfMemory`].
    pub fn pack(isa: Isa, w: &[f32], n: usize, k: usize) -> Result<Self, GemmError> {
        Self::pack_rows(isa, w, n, k, &|panels, one| (0..panels).for_each(one))
    }

    /// As [`pack`](Self::pack), panels shared out to the threads of a pool.
    ///
    /// # Errors
    /// As [`pack`](Self::pack).
    pub fn pack_on(
        pool: &Pool,
        isa: Isa,
        w: &[f32],
        n: usize,
        k: usize,
    ) -> Result<Self, GemmError> {
        Self::pack_rows(isa, w, n, k, &|panels, one| pool.run(panels, &|panel, _| one(panel)))
    }

    fn pack_rows(
        isa: Isa,
        w: &[f32],
        n: usize,
        k: usize,
        run: &RunPanels<'_>,
    ) -> Result<Self, GemmError> {
        /// Columns turned at a time: as many lines of a panel stay in L1.
        const STEP: usize = 8;
        expect("weight values", w.len(), n.saturating_mul(k))?;
        Self::pack_with(isa, n, k, run, |first, rows, values, nr| {
            let w = &w[first * k..][..rows * k];
            for (c, lines) in values.chunks_mut(STEP * nr).enumerate() {
                for (r, row) in w.chunks_exact(k).enumerate() {
                    let row = &row[c * STEP..];
                    for (line, v) in lines.chunks_exact_mut(nr).zip(row) {
                        line[r] = *v;
                    }
                }
            }
        })
    }

    /// Packs the transpose of `w`, (k, n) row-major: the product is then x w.
    ///
    /// # Errors
    /// As [`pack`](Self::pack).
    pub fn pack_transposed(isa: Isa, w: &[f32], k: usize, n: usize) -> Result<Self, GemmError> {
        expect("weight values", w.len(), n.saturating_mul(k))?;
        let run: &RunPanels<'_> = &|panels, one| (0..panels).for_each(one);
        Self::pack_with(isa, n, k, run, |first, rows, values, nr| {
            for (line, row) in values.chunks_exact_mut(nr).zip(w.chunks_exact(n)) {
                line[..rows].copy_from_slice(&row[first..first + rows]);
            }
        })
    }

    /// Calls `fill(first row, rows, panel, NR)` for every panel; what it leaves out stays zero.
    fn pack_with(
        isa: Isa,
        n: usize,
        k: usize,
        run: &RunPanels<'_>,
        fill: impl Fn(usize, usize, &mut [f32], usize) + Sync,
    ) -> Result<Self, GemmError> {
        let nr = micro_tile(isa).1;
        let len = n.div_ceil(nr).saturating_mul(nr).saturating_mul(k);
        let mut data = AlignedVec::try_zeroed(len)?;
        if k > 0 {
            let panels: Vec<_> = data.chunks_exact_mut(k * nr).map(Mutex::new).collect();
            run(panels.len(), &|panel| {
                let first = panel * nr;
                fill(first, nr.min(n - first), &mut lock(&panels[panel]), nr);
            });
        }
        Ok(Self { isa, n, k, data })
    }

    /// The instruction set the panels are laid out for.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Rows of W: columns of the product.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Columns of W: the length of the sums.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns of one panel and of a tile.
    pub fn nr(&self) -> usize {
        micro_tile(self.isa).1
    }

    /// Number of panels.
    pub fn panels(&self) -> usize {
        self.n.div_ceil(self.nr())
    }

    /// The columns of the product that `panel` holds.
    pub fn columns(&self, panel: usize) -> std::ops::Range<usize> {
        let first = panel * self.nr();
        first..self.n.min(first + self.nr())
    }

    /// The packed values from the start of `panel` to the end of W.
    pub(super) fn at_panel(&self, panel: usize) -> &[f32] {
        &self.data[panel * self.k * self.nr()..]
    }

    /// The memory taken, in bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.data[..])
    }
}

/// A block-diagonal W of `nb` blocks (q, p): block j maps the columns j·p.. of x to the columns
/// j·q.. of the product.
#[derive(Debug)]
pub struct PackedBlocks {
    blocks: Vec<PackedB>,
}

impl PackedBlocks {
    /// Packs `w`, (nb, q, p) row-major.
    ///
    /// # Errors
    /// As [`PackedB::pack`]; also where nb is 0.
    pub fn pack(isa: Isa, w: &[f32], nb: usize, q: usize, p: usize) -> Result<Self, GemmError> {
        let size = q.saturating_mul(p);
        expect("weight values", w.len(), nb.saturating_mul(size))?;
        if nb == 0 {
            return Err(GemmError::Shape { what: "weight blocks", found: 0, expected: 1 });
        }
        let blocks = (0..nb).map(|j| PackedB::pack(isa, &w[j * size..(j + 1) * size], q, p));
        Ok(Self { blocks: blocks.collect::<Result<_, _>>()? })
    }

    /// The blocks, in order; at least one.
    pub fn blocks(&self) -> &[PackedB] {
        &self.blocks
    }

    /// Columns of the product: nb·q.
    pub fn n(&self) -> usize {
        self.blocks.iter().map(PackedB::n).sum()
    }

    /// Columns of x: nb·p.
    pub fn k(&self) -> usize {
        self.blocks.iter().map(PackedB::k).sum()
    }
}

/// (MR, NR), the rows and columns of the micro-kernel of `isa`.
pub(super) fn micro_tile(isa: Isa) -> (usize, usize) {
    fn of<S: Simd>() -> (usize, usize) {
        (S::MR, S::NR)
    }
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => of::<crate::simd::Avx512>(),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => of::<crate::simd::Avx2>(),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => of::<crate::simd::Neon>(),
        _ => of::<crate::simd::Portable>(),
    }
}
