//! One dispatch as data: which kernel, with which constants, buffers and grid.

use std::borrow::Cow;

use m2_ir::{Dim, NodeId};
use shaders::Kernel;

use crate::{Error, sizes::RunSizes, tables::Table};

/// A dispatch before any object of the device exists.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// Kernel and node, for profiles and errors.
    pub label: String,
    /// The node.
    pub node: NodeId,
    /// The WGSL module.
    pub source: Source,
    /// Override constants.
    pub constants: Vec<(&'static str, f64)>,
    /// Buffers at bindings 1, 2, …; binding 0 holds the run's sizes.
    pub bindings: Vec<Bind>,
    /// How many workgroups.
    pub grid: Grid,
    /// First channel and first row of a dispatch that does a part of them.
    pub window: Window,
    /// Operations at the class, by the op's own count.
    pub flops: u64,
}

/// First channel and first row of a dispatch.
pub(crate) type Window = (usize, usize);

/// The windows of dispatches, sorted; the one of all channels and rows is always there.
pub(crate) fn windows<'a>(launches: impl Iterator<Item = &'a Launch>) -> Vec<Window> {
    let mut windows: Vec<Window> = launches.map(|l| l.window).chain([(0, 0)]).collect();
    windows.sort_unstable();
    windows.dedup();
    windows
}

/// Text of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// A kernel with the constants of its text.
    Kernel(Kernel, Vec<u32>),
    /// A generated module.
    Text(String),
}

impl Source {
    /// The whole module.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Source::Kernel(kernel, constants) => kernel.source(constants).into(),
            Source::Text(text) => text.into(),
        }
    }
}

/// A buffer of a dispatch and what happens to it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bind {
    /// Only read.
    Read(Slot),
    /// Written (and maybe read).
    Write(Slot),
}

impl Bind {
    /// Which buffer.
    pub fn slot(self) -> Slot {
        match self {
            Bind::Read(slot) | Bind::Write(slot) => slot,
        }
    }
}

/// Which buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Slot {
    /// The value of a node.
    Value(NodeId),
    /// So many of a node's channels (rows of its first fixed axis), from the second number on.
    Channels(NodeId, usize, usize),
    /// So many elements of a weight, from the second number on.
    Elements(NodeId, usize, usize),
    /// The row table.
    Rows,
    /// First token of each row.
    First,
    /// Asked positions.
    Asked,
    /// A table that programs share.
    Table(Table),
    /// A buffer that lives for one node only: its number and its elements.
    Scratch(usize, usize),
}

/// A run-time size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// A symbolic axis.
    Axis(Dim),
    /// Tokens of the longest row.
    Longest,
}

impl Extent {
    fn of(self, sizes: &RunSizes) -> u64 {
        match self {
            Extent::Axis(Dim::Fixed(n)) => n as u64,
            Extent::Axis(Dim::Tokens) => sizes.tokens.into(),
            Extent::Axis(Dim::Rows) => sizes.rows.into(),
            Extent::Axis(Dim::Asked) => sizes.asked.into(),
            Extent::Axis(Dim::Span) => sizes.span.into(),
            Extent::Longest => sizes.longest.into(),
        }
    }
}

/// Which rows of the batch a dispatch does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// It knows no rows.
    None,
    /// All.
    All,
    /// So many, as far as there are so many, from the first number on.
    Part(usize, usize),
}

impl Rows {
    fn of(self, sizes: &RunSizes) -> u64 {
        let all = u64::from(sizes.rows);
        match self {
            Rows::None => 1,
            Rows::All => all,
            Rows::Part(first, count) => all.saturating_sub(first as u64).min(count as u64),
        }
    }
}

/// `⌈extent / per⌉ · times · [⌈rows / together⌉]` workgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    /// What the first axis walks along.
    pub extent: Extent,
    /// How much of it a workgroup does.
    pub per: usize,
    /// Workgroups for each part, fixed.
    pub times: usize,
    /// The rows that have such a set each.
    pub rows: Rows,
    /// How many neighbouring rows share a set.
    pub together: usize,
}

/// Workgroups that every device grants along one axis.
const MAX_GROUPS: u64 = 65_535;

impl Grid {
    /// `⌈axis / per⌉ · times`.
    pub fn new(axis: Dim, per: usize, times: usize) -> Self {
        Grid { extent: Extent::Axis(axis), per, times, rows: Rows::None, together: 1 }
    }

    /// `⌈n / per⌉`.
    pub fn flat(n: usize, per: usize) -> Self {
        Grid::new(Dim::Fixed(n), per, 1)
    }

    /// `times` workgroups for each row.
    pub fn rows(times: usize) -> Self {
        Grid::of_rows(Rows::All, 1, times)
    }

    /// `times` workgroups for each so many neighbours of some rows.
    pub fn of_rows(rows: Rows, together: usize, times: usize) -> Self {
        Grid { rows, together, ..Grid::new(Dim::Fixed(1), 1, times) }
    }

    /// `⌈longest row / per⌉ · times` workgroups for each row.
    pub fn row_parts(per: usize, times: usize) -> Self {
        Grid { extent: Extent::Longest, per, times, rows: Rows::All, together: 1 }
    }

    /// The two-dimensional grid of a run, or None if there is nothing to do.
    ///
    /// Folded, so that neither axis exceeds what every device grants; kernels skip the excess.
    ///
    /// # Errors
    /// When even a folded grid is too large.
    pub fn of(&self, sizes: &RunSizes) -> Result<Option<(u32, u32)>, Error> {
        let sets = self.extent.of(sizes).div_ceil(self.per as u64) * self.times as u64;
        let n = sets * self.rows.of(sizes).div_ceil(self.together as u64);
        let y = n.div_ceil(MAX_GROUPS);
        // Axes are as equal as possible, so that few workgroups are skipped.
        if y > MAX_GROUPS {
            return Err(Error::Limit {
                what: "a dispatch in workgroups".into(),
                needed: n,
                available: MAX_GROUPS * MAX_GROUPS,
                hint: "use a smaller batch or shorter texts",
            });
        }
        Ok((n > 0).then(|| (n.div_ceil(y) as u32, y as u32)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_fold() {
        let sizes = RunSizes { tokens: 100, rows: 70_000, ..RunSizes::default() };
        assert_eq!(Grid::new(Dim::Tokens, 32, 3).of(&sizes).unwrap(), Some((12, 1)));
        assert_eq!(Grid::new(Dim::Asked, 32, 3).of(&sizes).unwrap(), None);
        for (first, groups) in [(0, Some((20, 1))), (69_999, Some((10, 1))), (70_000, None)] {
            assert_eq!(Grid::of_rows(Rows::Part(first, 2), 1, 10).of(&sizes).unwrap(), groups);
        }
        for (first, groups) in
            [(0, Some((20, 1))), (69_997, Some((20, 1))), (69_998, Some((10, 1)))]
        {
            assert_eq!(Grid::of_rows(Rows::Part(first, 4), 2, 10).of(&sizes).unwrap(), groups);
        }
        let (x, y) = Grid::rows(10).of(&sizes).unwrap().unwrap();
        assert!(x <= 65_535 && y <= 65_535 && u64::from(x) * u64::from(y) >= 700_000);
        assert!(u64::from(x) * u64::from(y) < 700_000 + 65_535);
    }
}
