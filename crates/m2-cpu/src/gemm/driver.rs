//! Whole products: blocks of rows and chunks of panels shared out to the threads of a pool.

use std::sync::{Mutex, PoisonError};

use super::epilogue::add_bias;
use super::pack_b::micro_tile;
use super::{Epilogue, GemmError, MC, PackedA, PackedB, PackedBlocks, Rows, RowsMut, expect, tile};
use crate::aligned::AlignedVec;
use crate::math;
use crate::{Isa, Pool};

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
    run(pool, isa, x, g.panels(), out, |a, _row, panel, scratch| {
        let (first, second) = scratch.split_at_mut(MC * nr);
        let (first, second) = (&mut first[..a.rows() * nr], &mut second[..a.rows() * nr]);
        tile(a, 0, g, panel, first, false);
        tile(a, 0, h, panel, second, false);
        let columns = g.columns(panel);
        for (tile, bias) in [(&mut *first, g_bias), (&mut *second, h_bias)] {
            if let Some(bias) = bias {
                add_bias(isa, tile, nr, &bias[columns.clone()]);
            }
        }
        math::gelu_mul(isa, first, second);
        columns
    })
}

fn product(
    pool: &Pool,
    x: Rows<'_>,
    blocks: &[PackedB],
    out: RowsMut<'_>,
    epilogue: &Epilogue<'_>,
) -> Result<(), GemmError> {
    let (isa, nr, panels) = (blocks[0].isa(), blocks[0].nr(), blocks[0].panels());
    let (n, k) = (blocks[0].n(), blocks[0].k());
    check_operands(&x, &out, k * blocks.len(), n * blocks.len())?;
    epilogue.check(x.rows, n * blocks.len())?;
    run(pool, isa, x, panels * blocks.len(), out, |a, row, index, scratch| {
        let (block, panel) = (index / panels, index % panels);
        let scratch = &mut scratch[..a.rows() * nr];
        tile(a, block * k, &blocks[block], panel, scratch, false);
        let columns = blocks[block].columns(panel);
        let columns = block * n + columns.start..block * n + columns.end;
        epilogue.apply(isa, scratch, nr, (row, columns.start), columns.len());
        columns
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

/// Calls `finish(block, first row, panel, tiles)` for every block of rows and every panel, and
/// copies the first of the two tiles to the columns it returns.
fn run(
    pool: &Pool,
    isa: Isa,
    x: Rows<'_>,
    panels: usize,
    out: RowsMut<'_>,
    finish: impl Fn(&PackedA, usize, usize, &mut [f32]) -> std::ops::Range<usize> + Sync,
) -> Result<(), GemmError> {
    if x.rows == 0 || panels == 0 {
        return Ok(());
    }
    let (mr, nr) = micro_tile(isa);
    let threads = pool.threads();
    // Equal blocks: a short last one would waste a pass over the weights.
    let mc = x.rows.div_ceil(x.rows.div_ceil(MC)).next_multiple_of(mr).min(MC);
    let blocks = x.rows.div_ceil(mc);
    // Whole rows of blocks where there are enough; else, and for few rows always, the columns are
    // split, so that each weight is read by one thread.
    let chunks = (TASKS_PER_THREAD * threads).div_ceil(blocks).min(panels);
    let chunks = if threads == 1 { 1 } else { chunks };
    let scratch = (0..threads)
        .map(|_| {
            let a = PackedA::new(isa, x.width)?;
            let tiles = AlignedVec::try_zeroed(2 * MC * nr)?;
            Ok(Mutex::new(Scratch { a, packed: None, tiles }))
        })
        .collect::<Result<Vec<_>, GemmError>>()?;
    let (stride, target) = (out.stride, Out(out.data.as_mut_ptr()));
    pool.run(blocks * chunks, &|task, thread| {
        let (block, chunk) = (task / chunks, task % chunks);
        let mut scratch = scratch[thread].lock().unwrap_or_else(PoisonError::into_inner);
        let Scratch { a, packed, tiles } = &mut *scratch;
        let first = block * mc;
        let rows = mc.min(x.rows - first);
        if packed.replace(block) != Some(block) {
            a.pack(Rows { data: &x.data[first * x.stride..], rows, ..x });
        }
        for panel in chunk * panels / chunks..(chunk + 1) * panels / chunks {
            let columns = finish(a, first, panel, tiles);
            for (r, values) in tiles.chunks_exact(nr).take(rows).enumerate() {
                let to = target.at((first + r) * stride + columns.start);
                // SAFETY: the checks made `out` hold all rows and columns, and this task alone
                // has these rows and columns.
                unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), to, columns.len()) };
            }
        }
    });
    Ok(())
}
