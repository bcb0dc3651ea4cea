//! Layer norms inside products: one makes the statistics of its results, the next normalises its
//! inputs by them.

use m2_ir::{NodeId, Op};

use super::{
    product::{Halves, Product},
    tiling::tile_half,
};
use crate::{
    Error, ProductVariant,
    launch::{Bind, Slot},
    lowering::{Lowering, flag, read, size, write},
};

/// Scratch for the statistics of one layer norm.
const STATISTICS: usize = 16;
/// Four elements that stand in for a normalised value that nobody else reads.
const NOBODY: usize = 17;

/// What a product does for layer norms.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Norm {
    None,
    /// It makes the statistics of its results.
    After,
    /// It normalises its inputs.
    Before(NodeId),
}

/// Constants and bindings of a dispatch.
pub(super) type Given<'a> = (&'a mut Vec<(&'static str, f64)>, &'a mut Vec<Bind>);

impl Norm {
    /// What the node that is lowered does.
    ///
    /// # Errors
    /// When the plan was made for products that can, and the device's cannot.
    pub fn of(cx: &Lowering<'_>) -> Result<Self, Error> {
        let norm = match cx.norm_before() {
            Some(norm) => Norm::Before(norm),
            None if cx.norm_after() => Norm::After,
            None => return Ok(Norm::None),
        };
        match cx.settings.products.variant {
            ProductVariant::Tiled => Ok(norm),
            other => Err(cx.unsupported(format!("with a layer norm inside as `{other}`"))),
        }
    }

    /// Adds what a dispatch needs that does a product from this block and row on.
    pub fn give(self, cx: &Lowering<'_>, product: &Product, from: (usize, usize), to: Given<'_>) {
        let (constants, bindings) = to;
        let ld = product.leading(cx);
        match self {
            Norm::None => {}
            Norm::After => {
                let tiles = Tiles::of(product.blocks, product.rows, ld);
                constants.push(size("FIRST_TILE", from.0 * tiles.of_a_block()));
                bindings.push(Bind::Write(tiles.statistics(ld)));
            }
            Norm::Before(norm) => {
                let [x, gamma, beta] = cx.inputs_of(norm)[..] else { return };
                let (Op::LayerNorm(op), tiles) = (cx.op(norm), Tiles::of_product(cx, x, ld)) else {
                    return;
                };
                let kept = cx.inside(norm).is_none();
                constants.extend([
                    ("EPS", op.eps),
                    size("X_ROWS", tiles.rows),
                    size("X_SPAN", tiles.span),
                    flag("KEEP", kept && from == (0, 0)),
                ]);
                let hidden = if kept { write(norm) } else { Bind::Write(Slot::Scratch(NOBODY, 4)) };
                bindings[0] = read(x);
                bindings[3] = Bind::Read(tiles.statistics(ld));
                bindings.extend([read(gamma), read(beta), hidden]);
            }
        }
    }
}

/// The tiles of a product that makes statistics: each has a mean and a sum of squares a column.
struct Tiles {
    blocks: usize,
    rows: usize,
    span: usize,
}

impl Tiles {
    fn of(blocks: usize, rows: usize, ld: usize) -> Self {
        let whole = Halves { blocks, rows, block_shift: 0, row_shift: 0 };
        Tiles { blocks, rows, span: 2 * tile_half(&whole, 1, ld) }
    }

    fn of_product(cx: &Lowering<'_>, product: NodeId, ld: usize) -> Self {
        let w = cx.shape(cx.inputs_of(product)[1]);
        match w[..] {
            [blocks, rows, _] => Tiles::of(blocks, rows, ld),
            _ => Tiles::of(1, w[0], ld),
        }
    }

    fn of_a_block(&self) -> usize {
        self.rows.div_ceil(self.span)
    }

    fn statistics(&self, ld: usize) -> Slot {
        Slot::Scratch(STATISTICS, self.blocks * self.of_a_block() * 2 * ld)
    }
}
