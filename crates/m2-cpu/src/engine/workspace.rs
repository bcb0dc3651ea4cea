//! Scratch of a program, one for each thread, kept between runs: fresh pages cost more than short
//! texts.

use std::sync::{Arc, Mutex};

use super::{Machine, region::Block};
use crate::{
    Error,
    conv::{Scratch, Transform},
};

/// What a program's kernels work in.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// For regions, by thread.
    pub(super) blocks: Vec<Mutex<Block>>,
    /// Tables of the transforms, which all have the class of the longest row.
    pub transform: Arc<Transform>,
    /// For transforms, by thread; none where the program has none.
    pub conv: Vec<Mutex<Scratch>>,
}

/// The largest scratch any region of a program asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    /// Width of each scratch value.
    pub slots: Vec<usize>,
    /// Widest operand of each packed block.
    pub packs: Vec<usize>,
    /// Widest panel.
    pub panel: usize,
    /// Whether anything transforms.
    pub transforms: bool,
}

impl Needs {
    /// Room for both.
    pub(super) fn merge(&mut self, other: &Needs) {
        let widen = |mine: &mut Vec<usize>, theirs: &[usize]| {
            mine.resize(mine.len().max(theirs.len()), 0);
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a = (*a).max(*b));
        };
        widen(&mut self.slots, &other.slots);
        widen(&mut self.packs, &other.packs);
        self.panel = self.panel.max(other.panel);
        self.transforms |= other.transforms;
    }
}

impl Workspace {
    pub(super) fn new(machine: &Machine<'_>, span: usize, needs: &Needs) -> Result<Self, Error> {
        let threads = machine.pool.threads();
        let blocks = (0..threads)
            .map(|_| Block::new(machine.isa, needs).map(Mutex::new))
            .collect::<Result<_, _>>()?;
        let transform = Arc::new(Transform::new(if needs.transforms { span } else { 1 }));
        let conv = (0..threads)
            .map(|_| Scratch::new(&transform).map(Mutex::new))
            .collect::<Result<_, _>>()?;
        Ok(Workspace { blocks, transform, conv })
    }
}
