//! Whole products: blocks of rows and chunks of panels shared out to the threads of a pool.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::epilogue::add_bias;
use super::pack_b::micro_tile;
use super::{Epilogue, GemmError, MC, PackedA, PackedB, PackedBlocks, Rows, RowsMut, expect, tile};
use crate::Pool;
use crate::aligned::AlignedVec;
use crate::math;
use crate::simd::prefetch;

/// Tasks per thread that even out threads of different speed.
const TASKS_PER_THREAD: usize = 4;

/// out = epilogue(x Wᵀ): x is (m, k), W (n, k), out (m, n).
///
/// # Errors
/// [`GemmError::Shape`] where an operand does not fit; [`GemmError::OutOfMemory`].
pub fn gemm(
    pool: &Pool,
    x: Rows<'_>,
    w: &PackedB,
    out: RowsMut<'_>,
    epilogue: &Epilogue<'_>,
) -> Result<(), GemmError> {
    product(pool, x, std::slice::from_ref(w), out, epilogue)
}

/// out = epilogue(x Wᵀ) with a block-diagonal W: x is (m, nb·p), out (m, nb·q).
///
/// # Errors
/// As [`gemm`].
pub fn gemm_blocks(
    pool: &Pool,
    x: Rows<'_>,
    w: &PackedBlocks,
    out: RowsMut<'_>,
    epilogue: &Epilogue<'_>,
) -> Result<(), GemmError> {
    product(pool, x, w.blocks(), out, epilogue)
}

/// out = gelu(x Gᵀ + g) ⊙ (x Hᵀ + h), `gate` being G with its bias g and `linear` H with h, both
/// (n, k); neither factor is ever stored.
///
/// # Errors
/// As [`gemm`]; also where G and H differ in shape or instruction set.
pub fn gemm_glu(
    pool: &Pool,
    x: Rows<'_>,
    gate: (&PackedB, Option<&[f32]>),
    linear: (&PackedB, Option<&[f32]>),
    out: RowsMut<'_>,
) -> Result<(), GemmError> {
    let ((g, g_bias), (h, h_bias)) = (gate, linear);
    expect("rows of the linear half's weights", h.n(), g.n())?;
    expect("columns of the linear half's weights", h.k(), g.k())?;
    expect("panel width of the linear half", h.nr(), g.nr())?;
    for bias in [g_bias, h_bias].into_iter().flatten() {
        expect("bias values", bias.len(), g.n())?;
    }
    check_operands(&x, &out, g.k(), g.n())?;
    let isa = g.isa();
    let nr = g.nr();
    run(pool, x, std::slice::from_ref(g), out, |a, at, scratch| {
        let (first, second) = scratch.split_at_mut(MC * nr);
        let (first, second) = (&mut first[..a.rows() * nr], &mut second[..a.rows() * nr]);
        tile(a, 0, g, at.panel, first, false);
        tile(a, 0, h, at.panel, second, false);
        for (tile, bias) in [(&mut *first, g_bias), (&mut *second, h_bias)] {
            if let Some(bias) = bias {
                add_bias(isa, tile, nr, &bias[at.columns.clone()]);
            }
        }
        math::gelu_mul(isa, first, second);
    })
}

fn product(
    pool: &Pool,
    x: Rows<'_>,
    blocks: &[PackedB],
    out: RowsMut<'_>,
    epilogue: &Epilogue<'_>,
) -> Result<(), GemmError> {
    let (isa, nr, n, k) = (blocks[0].isa(), blocks[0].nr(), blocks[0].n(), blocks[0].k());
    check_operands(&x, &out, k * blocks.len(), n * blocks.len())?;
    epilogue.check(x.rows, n * blocks.len())?;
    run(pool, x, blocks, out, |a, at, scratch| {
        let scratch = &mut scratch[..a.rows() * nr];
        tile(a, at.block * k, &blocks[at.block], at.panel, scratch, false);
        epilogue.apply(isa, scratch, nr, (at.row, at.columns.start), at.columns.len());
    })
}

fn check_operands(x: &Rows<'_>, out: &RowsMut<'_>, k: usize, n: usize) -> Result<(), GemmError> {
    expect("columns of x", x.width, k)?;
    expect("columns of the product", out.width, n)?;
    expect("rows of the product", out.rows, x.rows)?;
    x.check("values of x")?;
    out.check("values of the product")
}

/// The buffers of one thread.
struct Scratch {
    a: PackedA,
    /// The row block `a` holds.
    packed: Option<usize>,
    tiles: AlignedVec<f32>,
}

/// A pointer that threads write disjoint elements through.
#[derive(Clone, Copy)]
struct Out(*mut f32);

// SAFETY: each element is written by one task only, see `run`.
unsafe impl Sync for Out {}

impl Out {
    /// A method, so that closures borrow the `Sync` wrapper and not the pointer.
    fn at(&self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
    }
}

/// A tile's place.
struct Place {
    /// The weight block and the panel in it.
    block: usize,
    panel: usize,
    /// The first row and the columns in the product.
    row: usize,
    columns: Range<usize>,
}

impl Place {
    /// The place of panel `index`, counted over all `blocks` of equal shape.
    fn new(blocks: &[PackedB], index: usize, row: usize) -> Self {
        let panels = blocks[0].panels();
        let (block, panel) = (index / panels, index % panels);
        let columns = blocks[block].columns(panel);
        let first = block * blocks[block].n();
        Self { block, panel, row, columns: first + columns.start..first + columns.end }
    }
}

/// Calls `finish(x's packed rows, place, two tiles)` for every block of rows and every panel of
/// `blocks`, and copies the first tile to its place.
fn run(
    pool: &Pool,
    x: Rows<'_>,
    blocks: &[PackedB],
    out: RowsMut<'_>,
    finish: impl Fn(&PackedA, &Place, &mut [f32]) + Sync,
) -> Result<(), GemmError> {
    let panels = blocks[0].panels() * blocks.len();
    if x.rows == 0 || panels == 0 {
        return Ok(());
    }
    let isa = blocks[0].isa();
    let (mr, nr) = micro_tile(isa);
    let threads = pool.threads();
    // Equal blocks: a short last one would waste a pass over the weights.
    let mc = x.rows.div_ceil(x.rows.div_ceil(MC)).next_multiple_of(mr).min(MC);
    let row_blocks = x.rows.div_ceil(mc);
    // Whole rows of blocks where there are enough; else, and for few rows always, the columns are
    // split, so that each weight is read by one thread.
    let chunks = (TASKS_PER_THREAD * threads).div_ceil(row_blocks).min(panels);
    let chunks = if threads == 1 { 1 } else { chunks };
    let scratch = (0..threads)
        .map(|_| {
            let a = PackedA::new(isa, x.width)?;
            let tiles = AlignedVec::try_zeroed(2 * MC * nr)?;
            Ok(Mutex::new(Scratch { a, packed: None, tiles }))
        })
        .collect::<Result<Vec<_>, GemmError>>()?;
    let (stride, target) = (out.stride, Out(out.data.as_mut_ptr()));
    pool.run(row_blocks * chunks, &|task, thread| {
        let (block, chunk) = (task / chunks, task % chunks);
        let mut scratch = scratch[thread].lock().unwrap_or_else(PoisonError::into_inner);
        let Scratch { a, packed, tiles } = &mut *scratch;
        let first = block * mc;
        let rows = mc.min(x.rows - first);
        if packed.replace(block) != Some(block) {
            a.pack(Rows { data: &x.data[first * x.stride..], rows, ..x });
        }
        for panel in chunk * panels / chunks..(chunk + 1) * panels / chunks {
            let place = Place::new(blocks, panel, first);
            // The stores below must not wait for memory.
            for r in 0..rows {
                let line = target.at((first + r) * stride + place.columns.start);
                (0..nr).step_by(16).for_each(|i| prefetch(line.wrapping_add(i)));
            }
            finish(a, &place, tiles);
            for (r, values) in tiles.chunks_exact(nr).take(rows).enumerate() {
                let to = target.at((first + r) * stride + place.columns.start);
                // SAFETY: the checks made `out` hold all rows and columns, and this task alone
                // has these rows and columns.
                unsafe {
                    std::ptr::copy_nonoverlapping(values.as_ptr(), to, place.columns.len());
                }
            }
        }
    });
    Ok(())
}
