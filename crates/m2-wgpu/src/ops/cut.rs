//! Products whose input or result lies in pieces: a dispatch for each.

use std::ops::Range;

use super::product::{Halves, Product, extras};
use crate::{
    launch::{Bind, Slot},
    lowering::Lowering,
};

/// A part of a product's results: whole blocks, or some rows of one.
pub(super) struct Cut {
    blocks: Range<usize>,
    rows: Range<usize>,
}

impl Cut {
    /// The parts of a product, none where all of it is one dispatch. Both values are cut at
    /// multiples of 64 channels (`memory::pieces`), where bindings may begin.
    pub fn of(cx: &Lowering<'_>, product: &Product, halves: &Halves) -> Vec<Self> {
        let (Slot::Value(x), Slot::Value(y)) = (product.x, product.y) else { return Vec::new() };
        let inputs = product.inputs.of(&cx.class);
        let whole = [x, y].iter().all(|v| !cx.in_pieces(*v));
        if whole {
            return Vec::new();
        }
        let blocks_of_x = if cx.in_pieces(x) { cx.piece(x) / inputs } else { halves.blocks };
        let piece = cx.piece(y).min(blocks_of_x * halves.rows);
        if piece < halves.rows {
            let row = |i: usize| i * piece % halves.rows;
            return (0..halves.blocks * halves.rows / piece)
                .map(|i| {
                    let block = i * piece / halves.rows;
                    Cut { blocks: block..block + 1, rows: row(i)..row(i) + piece }
                })
                .collect();
        }
        let each = piece / halves.rows;
        let starts = (0..halves.blocks).step_by(each);
        starts
            .map(|b| Cut { blocks: b..(b + each).min(halves.blocks), rows: 0..halves.rows })
            .collect()
    }

    /// The product's shape with the results of this part alone.
    pub fn halves(&self, of: &Halves) -> Halves {
        Halves { blocks: self.blocks.len(), rows: self.rows.len(), ..*of }
    }

    /// Its first block and its first row there.
    pub fn start(&self) -> (usize, usize) {
        (self.blocks.start, self.rows.start)
    }

    /// What the dispatch of this part is given.
    pub fn bindings(&self, cx: &Lowering<'_>, product: &Product, of: &Halves) -> Vec<Bind> {
        let (Slot::Value(x), Slot::Value(y)) = (product.x, product.y) else { return Vec::new() };
        let inputs = product.inputs.of(&cx.class);
        let blocks = self.blocks.len() + of.block_shift;
        let first_row = self.blocks.start * product.rows + self.rows.start;
        let rows = product.blocks * product.rows - first_row;
        let (first, count) =
            (self.blocks.start * of.rows + self.rows.start, self.blocks.len() * self.rows.len());
        let (bias, residual) = extras(&product.epilogue, &product.extra, product.w);
        let bias = match bias {
            id if id == product.w => Slot::Value(id),
            id => Slot::Elements(id, first_row, rows),
        };
        let residual = match residual {
            id if id == product.w => Slot::Value(id),
            id => Slot::Channels(id, first, count),
        };
        vec![
            Bind::Read(Slot::Channels(x, self.blocks.start * inputs, blocks * inputs)),
            Bind::Read(Slot::Elements(product.w, first_row * inputs, rows * inputs)),
            Bind::Read(bias),
            Bind::Read(residual),
            Bind::Write(Slot::Channels(y, first, count)),
        ]
    }
}
