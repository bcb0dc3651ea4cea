//! A region: token-local ops over blocks of at most [`MC`] tokens, their values in L2.
//!
//! Blocks are handed to threads. A short convolution reaches back into the block before, which
//! another thread may hold: each block keeps the first and last rows of the convolution's input,
//! and the few tokens at block borders are finished after all blocks are done. With few tokens
//! there is one block, and the columns of each product are split between the threads instead, so
//! that every weight is read once.

mod block;
mod build;
mod elementwise;
mod product;
mod short;

use m2_ir::{Dim, NodeId, Plan};

use super::{Machine, Run, Store, workspace::Needs};
use crate::{AlignedVec, Error, gemm::MC, pool::lock};
pub(in crate::engine) use block::Block;
use block::Target;
use build::Stage;
use short::Edges;

/// Up to this many tokens a thread, columns are split instead of tokens.
const TOKENS_PER_THREAD: usize = 16;

/// A compiled region.
#[derive(Debug)]
pub(in crate::engine) struct Region {
    stages: Vec<Stage>,
    lead: Dim,
    /// Width of each scratch value.
    slots: Vec<usize>,
    /// Widest operand of each packed block.
    packs: Vec<usize>,
    /// Values that are written to the store.
    outputs: Vec<NodeId>,
    /// The stage that reaches back, its reach and its operand's width.
    halo: Option<Halo>,
}

/// A short convolution inside a region.
#[derive(Clone, Copy, Debug)]
struct Halo {
    stage: usize,
    reach: usize,
    slot: usize,
    width: usize,
}

impl Region {
    /// The scratch that the region asks for.
    pub(in crate::engine) fn needs(&self) -> Needs {
        let panel = self.stages.iter().filter_map(Stage::panel).max().unwrap_or(1);
        let (slots, packs) = (self.slots.clone(), self.packs.clone());
        Needs { slots, packs, panel, transforms: false }
    }

    fn rows(&self, run: &Run<'_>) -> usize {
        self.lead.of(&run.sizes)
    }

    pub(in crate::engine) fn run(
        &self,
        machine: &Machine<'_>,
        plan: &Plan,
        run: &Run<'_>,
        store: &mut Store,
    ) -> Result<(), Error> {
        let total = self.rows(run);
        let mut memory: Vec<AlignedVec<f32>> = Vec::with_capacity(self.outputs.len());
        for &id in &self.outputs {
            memory.push(store.take(plan, id)?);
        }
        let targets: Vec<Target> = memory
            .iter_mut()
            .zip(&self.outputs)
            .map(|(m, id)| Target::new(m, plan.graph.node(*id).ty.width().unwrap_or(0)))
            .collect();
        let view = Shared { region: self, machine, plan, run, store, targets: &targets };
        if total > 0 {
            view.run(total);
        }
        for (id, m) in self.outputs.iter().zip(memory) {
            store.put(plan, *id, m);
        }
        Ok(())
    }
}

/// What all blocks of one run share.
struct Shared<'a> {
    region: &'a Region,
    machine: &'a Machine<'a>,
    plan: &'a Plan,
    run: &'a Run<'a>,
    store: &'a Store,
    targets: &'a [Target],
}

impl Shared<'_> {
    fn run(&self, total: usize) {
        let threads = self.machine.pool.threads();
        let scratch = &self.run.workspace.blocks;
        if threads > 1 && total <= MC.min(TOKENS_PER_THREAD * threads) {
            let mut block = lock(&scratch[0]);
            block.place(0, total);
            block.run_columns(self);
            return;
        }
        let size = block_size(total, threads);
        let blocks = total.div_ceil(size);
        let halo = self.region.halo.filter(|_| blocks > 1);
        let edges = halo.map(|h| Edges::new(h.reach, h.width, blocks));
        self.machine.pool.run(blocks, &|index, thread| {
            let mut block = lock(&scratch[thread]);
            block.place(index * size, size.min(total - index * size));
            block.run(self, edges.as_ref().map(|e| (e, index)));
        });
        if let Some(edges) = &edges {
            self.machine.pool.run(blocks - 1, &|index, thread| {
                let mut block = lock(&scratch[thread]);
                let at = (index + 1) * size;
                block.run_border(self, edges, index + 1, at..total);
            });
        }
    }
}

/// Tokens of a block: at most [`MC`], equal blocks, a few for each thread where there are enough.
fn block_size(total: usize, threads: usize) -> usize {
    let per_thread = total.div_ceil(threads);
    let blocks = threads * per_thread.div_ceil(MC);
    total.div_ceil(blocks).next_multiple_of(8).clamp(8, MC)
}
