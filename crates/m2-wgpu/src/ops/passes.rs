//! Transforms that do not fit one workgroup: along columns, along rows, and back, over a scratch
//! matrix (`shaders/transform/passes.wgsl`).

use std::ops::Range;

use super::transform::{Convolution, scratch, threads};
use crate::{
    Error,
    launch::{Bind, Grid, Rows, Slot},
    lowering::{Lowering, flag, size},
    tables::Table,
};

/// Most points of a workgroup: what every device's workgroup memory holds.
const POINTS: usize = 2048;

/// Points that one invocation holds in the last pass.
const HELD: usize = 8;

type Constants = Vec<(&'static str, f64)>;

/// How a transform of the class's length is cut.
pub(super) struct Passes {
    l: usize,
    /// Rows of the matrix, and length of its columns.
    n1: usize,
    /// Columns of the matrix, and length of its rows.
    n2: usize,
    /// Columns of a workgroup.
    columns: usize,
    /// Pairs of rows of a workgroup.
    pairs: usize,
    /// Parts of a row whose largest values are found apart.
    parts: usize,
    /// Channels and transforms of each in the scratch.
    tasks: (usize, usize),
}

impl Passes {
    /// For so many channels and transforms of each.
    ///
    /// # Errors
    /// When the class is too long.
    pub fn of(cx: &Lowering<'_>, channels: usize, tasks: usize) -> Result<Self, Error> {
        let l = cx.class.span;
        let n1 = 1 << (l.ilog2() / 2);
        let n2 = l / n1;
        if 2 * n2 > POINTS {
            return Err(cx.unsupported(format!("of rows of {l} tokens")));
        }
        let points = cx.settings.longest_transform.min(POINTS).max(2 * n2);
        Ok(Passes {
            l,
            n1,
            n2,
            columns: (points / n1).min(n2),
            // Half the points, for more workgroups.
            pairs: (points / (4 * n2)).clamp(1, n1 / 2),
            parts: (l / 64).clamp(1, 16),
            tasks: (channels, tasks),
        })
    }

    /// The scratch, with room for all rows' peaks.
    pub fn scratch(&self) -> Bind {
        let tasks = self.tasks.0 * self.tasks.1;
        Bind::Write(Slot::Scratch(scratch::MATRICES, 2 * tasks * (2 * self.l + self.parts)))
    }

    /// Twiddles.
    pub fn roots(&self) -> Bind {
        Bind::Read(Slot::Table(Table::LongRoots(self.l, self.n1)))
    }

    fn common(&self, points: usize) -> Constants {
        vec![
            size("L", self.l),
            size("CHANNELS", self.tasks.0),
            size("ROWS", self.tasks.1),
            size("PARTS", self.parts),
            size("SIZE", points),
        ]
    }

    fn transform(&self, points: usize, n: usize, inner: usize) -> Constants {
        let mut all = self.common(points);
        all.extend([
            size("N", n),
            size("LOG", n.ilog2() as usize),
            size("INNER", inner),
            size("LOW", self.n1),
            size("ROOTS", self.l / self.n1),
            size("THREADS", threads(points, HELD)),
        ]);
        all
    }

    /// Constants of the search for the largest values, and its workgroups for a row.
    pub fn peaks(&self) -> (Constants, usize) {
        let threads = (self.l / self.parts).min(256);
        let mut all = self.common(threads);
        all.push(size("THREADS", threads));
        (all, self.parts * self.tasks.0)
    }

    /// Constants of the passes along columns, and workgroups of a row and half.
    pub fn columns(&self) -> (Constants, usize) {
        let points = self.n1 * self.columns;
        (self.transform(points, self.n1, self.columns), self.l / points * self.tasks.0)
    }

    /// Constants of the pass along rows, and workgroups of a row and half.
    pub fn rows(&self) -> (Constants, usize) {
        let points = 2 * self.n2 * self.pairs;
        let mut all = self.transform(points, self.n2, 1);
        all.extend([size("BLOCK", 2 * self.n2), size("LOG1", self.n1.ilog2() as usize)]);
        (all, self.l / points * self.tasks.0)
    }
}

/// Convolves some channels of some rows: the first transform, and how many at most.
///
/// # Errors
/// When rows are too long.
pub(super) fn convolve(
    cx: &mut Lowering<'_>,
    op: &Convolution,
    channels: &Range<usize>,
    (task, tasks): (usize, usize),
    spectrum: Slot,
) -> Result<(), Error> {
    let passes = Passes::of(cx, channels.len(), tasks)?;
    let signals = op.signals(cx);
    let own = |mut constants: Constants| {
        constants.extend(&signals);
        constants
    };
    let [_, signal, last] = (op.bindings)(channels).map(|own| {
        let shared = [passes.roots(), passes.scratch(), Bind::Read(Slot::Rows)];
        shared.into_iter().chain(own).collect::<Vec<_>>()
    });
    let (row, rows) = (task * op.together, tasks * op.together);
    let grid = |times| Grid::of_rows(Rows::Part(row, rows), op.together, times);
    cx.window = (channels.start, row);
    let [_, peaks, columns, finish] = op.kernels;
    if signals.contains(&flag("PAIR", true)) {
        let (constants, groups) = passes.peaks();
        cx.launch(peaks, own(constants), signal.clone(), grid(groups));
    }
    let (constants, groups) = passes.columns();
    cx.launch(columns, own(constants.clone()), signal, grid(2 * groups));
    let (mut along_rows, row_groups) = passes.rows();
    along_rows.extend([op.product(), size("TOGETHER", op.together)]);
    let middle = vec![passes.roots(), passes.scratch(), Bind::Read(spectrum)];
    cx.launch(shaders::CONVOLVE_ROWS, along_rows, middle, grid(2 * row_groups));
    cx.launch(finish, own(constants), last, grid(groups));
    Ok(())
}
