//! The fast executor of plans in f32: regions of token-local ops block by block in cache, the rest
//! op by op, all threads on each.

mod kernel;
mod region;
mod store;
mod weights;
mod workspace;

pub(crate) use store::{Store, View};
pub use weights::CpuWeights;
pub(crate) use weights::Raw;
pub(crate) use workspace::Workspace;

use m2_ir::{Batch, HostTensor, NodeId, Op, Parameters, Plan, Sizes, plan::Place};

use crate::{Error, Isa, Pool};
use kernel::Kernel;

/// A plan with its weights and buffers: running it allocates only small things.
#[derive(Debug)]
pub struct CpuProgram {
    plan: Plan,
    steps: Vec<Kernel>,
    workspace: Workspace,
    store: Store,
    /// True sizes of the last batch, with the class of its longest row.
    sizes: Sizes,
    /// How many runs were begun.
    runs: u64,
}

/// A run of a program, by its number: its outputs can be read until the next one begins.
#[derive(Debug)]
pub struct CpuRun(u64);

/// What every kernel needs beside its operands.
pub(crate) struct Machine<'a> {
    pub pool: &'a Pool,
    pub isa: Isa,
}

/// The batch as kernels see it.
pub(crate) struct Run<'a> {
    pub workspace: &'a Workspace,
    pub batch: &'a Batch,
    /// True sizes; `span` is the plan's.
    pub sizes: Sizes,
    /// Place of each token in its row; 0 in gaps.
    pub position: Vec<u32>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(batch: &'a Batch, span: usize, workspace: &'a Workspace) -> Self {
        let mut position = vec![0; batch.rows().tokens()];
        for row in batch.rows().rows() {
            let at = row.offset as usize..(row.offset + row.length) as usize;
            position[at].iter_mut().zip(0..).for_each(|(p, i)| *p = i);
        }
        Run { workspace, batch, sizes: Sizes { span, ..batch.sizes() }, position }
    }
}

impl CpuProgram {
    /// Packs what is not packed yet, allocates, and runs the steps that depend on weights alone.
    pub(crate) fn load(
        machine: &Machine<'_>,
        plan: Plan,
        params: &dyn Parameters,
        weights: &mut CpuWeights,
    ) -> Result<Self, Error> {
        let mut store = Store::new(&plan)?;
        let mut needs = workspace::Needs::default();
        let mut build = |steps: &[m2_ir::plan::Step], store: &mut Store| {
            steps
                .iter()
                .map(|s| Kernel::new(machine, &plan, s, store, params, weights, &mut needs))
                .collect::<Result<Vec<_>, _>>()
        };
        let prologue = build(&plan.prologue, &mut store)?;
        let steps = build(&plan.steps, &mut store)?;
        let workspace = Workspace::new(machine, plan.class.span, &needs)?;
        let nothing = Batch::default();
        let run = Run::new(&nothing, plan.class.span, &workspace);
        for kernel in &prologue {
            kernel.run(machine, &plan, &run, &mut store)?;
        }
        let sizes = run.sizes;
        Ok(CpuProgram { plan, steps, workspace, store, sizes, runs: 0 })
    }

    /// Runs a batch that the plan accepts.
    pub(crate) fn run(&mut self, machine: &Machine<'_>, batch: &Batch) -> Result<CpuRun, Error> {
        batch.check(&self.plan)?;
        self.runs += 1;
        let run = Run::new(batch, self.plan.class.span, &self.workspace);
        self.sizes = run.sizes;
        self.store.set_inputs(&self.plan, batch);
        for kernel in &self.steps {
            kernel.run(machine, &self.plan, &run, &mut self.store)?;
        }
        Ok(CpuRun(self.runs))
    }

    /// An output of the last run with its true sizes.
    pub(crate) fn read(&self, run: &CpuRun, output: usize) -> Result<HostTensor, Error> {
        if run.0 != self.runs {
            return Err(Error::Overwritten);
        }
        let Some((_, id)) = self.plan.graph.outputs().get(output) else {
            return Err(Error::Output { output, outputs: self.plan.graph.outputs().len() });
        };
        let shape = self.plan.graph.node(*id).ty.concrete(&self.sizes);
        let view = self.store.view(&self.plan, *id);
        let width = view.width;
        let rows = shape.iter().product::<usize>() / width.max(1);
        let data: Vec<f32> = (0..rows).flat_map(|i| view.row(i).iter().copied()).collect();
        Ok(HostTensor::from_f32(&shape, &data))
    }

    /// Fills every activation buffer with NaN, so that a test sees a read of anything stale.
    pub fn poison(&mut self) {
        self.store.poison();
    }
}

/// Whether a node's value is kept beyond its region.
fn is_stored(plan: &Plan, id: NodeId) -> bool {
    matches!(plan.places[id.index()], Place::Buffer(_) | Place::Frozen)
}

/// Whether the node is a weight.
fn is_param(plan: &Plan, id: NodeId) -> bool {
    plan.graph.node(id).op == Op::Param
}
