//! Sums, means and maxima along the innermost axis.

use m2_ir::{
    Dim, NodeId,
    ops::{Reduce, ReduceKind},
};

use crate::{
    Error,
    launch::Grid,
    lowering::{Lowering, axis, read, size, write},
};

/// A tensor as (outer, inner, lanes): the axis that is reduced, what lies outside it, and what is
/// contiguous inside it.
pub(super) struct Lanes {
    outer: usize,
    /// The reduced axis; symbolic only for a vector of one value a token.
    pub inner: Dim,
    lanes: usize,
    lead: Dim,
}

impl Lanes {
    pub fn of(cx: &Lowering<'_>, x: NodeId) -> Self {
        let layout = cx.layout(x);
        let one = Dim::Fixed(1);
        match layout.lead {
            Some(lead) if layout.shape.len() == 1 => {
                Lanes { outer: 1, inner: lead, lanes: 1, lead: one }
            }
            lead => {
                let inner = layout.shape.last().copied().unwrap_or(1);
                Lanes {
                    outer: layout.width() / inner.max(1),
                    inner: Dim::Fixed(inner),
                    lanes: layout.ld,
                    lead: lead.unwrap_or(one),
                }
            }
        }
    }

    pub fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![
            size("INNER", self.inner.fixed().unwrap_or(0)),
            size("LANES", self.lanes),
            size("LEAD", axis(self.lead)),
            size("OUTER", self.outer),
        ]
    }

    pub fn grid(&self) -> Grid {
        Grid::new(self.lead, 64, self.outer)
    }
}

pub(super) fn lower(cx: &mut Lowering<'_>, op: &Reduce) -> Result<(), Error> {
    let x = cx.input(0);
    let lanes = Lanes::of(cx, x);
    let kind = match op.kind {
        ReduceKind::Sum => 0,
        ReduceKind::Mean => 1,
        ReduceKind::Max => 2,
        ReduceKind::SumSquares => 3,
    };
    let mut constants = lanes.constants();
    constants.extend([size("INNER_LEAD", axis(lanes.inner)), size("KIND", kind)]);
    cx.launch(shaders::REDUCE, constants, vec![read(x), write(cx.out())], lanes.grid());
    Ok(())
}
