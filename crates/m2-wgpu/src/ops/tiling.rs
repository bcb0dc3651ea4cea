//! How a product is shared out among invocations; the plan's class decides, so that equal plans give
//! equal bits.

use super::product::{Halves, Product};
use crate::{ProductVariant, lowering::Lowering};

/// Rows and columns of a tile of the tiled kernel.
pub(super) const TILE: usize = 64;
/// Inputs that the tiled kernel stages at once; slices of sums are multiples of it.
const STAGED: usize = 16;
/// Inputs that a slice has at least where the shape decides.
const SLICE: usize = 256;
/// Workgroups of 64 × 64 results that fill a large GPU twice.
const FILLED: usize = 256;
/// Weights from which on a second dispatch is little beside reading them.
const MANY_WEIGHTS: usize = 1 << 18;
/// Invocations that a software adapter computes at once.
const LANES: usize = 8;

/// Into how many parts a sum is cut: slices, each of neighbouring inputs and with workgroups of its
/// own, or phases, which take four inputs in turn side by side in a workgroup.
#[derive(Clone, Copy)]
pub(super) struct Shares {
    pub slices: usize,
    pub phases: usize,
}

impl Shares {
    /// An uncut sum.
    pub const WHOLE: Self = Shares { slices: 1, phases: 1 };

    /// As suits a product, or as the options have it.
    pub fn of(cx: &Lowering<'_>, product: &Product) -> Self {
        let depth = product.inputs.of(&cx.class);
        let columns = product.lead.of(&cx.class);
        let few = (1..=16).contains(&columns);
        match (cx.settings.products.slices, cx.settings.products.variant) {
            (Some(n), _) => {
                Shares { slices: n.clamp(1, depth.div_ceil(STAGED).max(1)), ..Shares::WHOLE }
            }
            (None, ProductVariant::Tiled) => {
                let rows = product.blocks * product.rows.div_ceil(TILE);
                let tiles = rows * product.leading(cx).div_ceil(TILE);
                let slices = FILLED.div_ceil(tiles).min(depth / SLICE).max(1);
                Shares { slices, ..Shares::WHOLE }
            }
            (None, _) if few && product.blocks * product.rows * depth >= MANY_WEIGHTS => {
                Shares { phases: LANES / columns.div_ceil(8), ..Shares::WHOLE }
            }
            (None, _) => Shares::WHOLE,
        }
    }

    /// All parts.
    pub fn parts(&self) -> usize {
        self.slices * self.phases
    }

    /// Inputs of a slice.
    pub fn depth(&self, of: usize) -> usize {
        if self.slices == 1 { of } else { of.div_ceil(self.slices).next_multiple_of(STAGED) }
    }
}

/// The columns of a workgroup of the direct kernel: invocations along them, and vec4s of each.
///
/// What a software adapter computes at once lies along columns: along rows it would read weights
/// from lines that evict each other. Where columns are few, phases of a sum take their place.
pub(super) struct Across {
    pub invocations: usize,
    pub vecs: usize,
}

impl Across {
    pub fn of(cx: &Lowering<'_>, product: &Product, halves: &Halves, shares: Shares) -> Self {
        let (invocations, vecs) = match product.lead.of(&cx.class) {
            _ if shares.phases > 1 => (LANES / shares.phases, 2),
            0..=8 => (2, 1),
            9..=16 => (4, 1),
            17..=32 => (4, 2),
            // Halves without common inputs read twice as many.
            _ if product.leading(cx).is_multiple_of(128) && halves.block_shift == 0 => (8, 4),
            _ => (8, 2),
        };
        Across { invocations, vecs }
    }

    /// Columns of a workgroup.
    pub fn columns(&self) -> usize {
        4 * self.vecs * self.invocations
    }
}

/// Rows of half a tile of the tiled kernel: few where a GPU would not be filled otherwise.
pub(super) fn tile_half(halves: &Halves, slices: usize, ld: usize) -> usize {
    let tiles = slices * halves.blocks * halves.rows.div_ceil(halves.span(32));
    let few = tiles * ld.div_ceil(TILE) < FILLED / 2;
    if few && halves.block_shift == 0 { 16 } else { 32 }
}
