//! All that is known of a program before any object of the device is made.

use m2_ir::{
    Plan, Sizes, Type,
    plan::{Place, Step},
};

use crate::{
    Error, Memory,
    launch::Launch,
    layout,
    lowering::Lowering,
    memory::{Buffers, memory, pieces},
    ops,
    settings::Settings,
};

/// A plan's dispatches and buffers as data.
pub(crate) struct Draft {
    /// The sizes that kernels are specialised for.
    pub class: Sizes,
    /// In how many pieces each value lies.
    pub pieces: Vec<usize>,
    /// What is dispatched once.
    pub prologue: Vec<Launch>,
    /// What is dispatched in every run.
    pub steps: Vec<Launch>,
    pub buffers: Buffers,
    pub memory: Memory,
}

impl Draft {
    /// Drafts a plan for a device with these settings.
    ///
    /// # Errors
    /// When there is no kernel for a form of an op, or a limit is exceeded.
    pub fn of(plan: &Plan, settings: &Settings) -> Result<Self, Error> {
        let class = layout::class(&plan.class);
        let pieces = pieces(plan, &class, settings)?;
        let prologue = lower(plan, &plan.prologue, settings, &pieces)?;
        let steps = lower(plan, &plan.steps, settings, &pieces)?;
        let launches = || prologue.iter().chain(&steps);
        let buffers = Buffers::of(plan, &class, &pieces, launches());
        let memory = memory(plan, &class, &buffers, launches(), settings);
        buffers.check(plan, &memory, settings)?;
        Ok(Draft { class, pieces, prologue, steps, buffers, memory })
    }

    /// All dispatches.
    pub fn launches(&self) -> impl Iterator<Item = &Launch> + Clone {
        self.prologue.iter().chain(&self.steps)
    }
}

/// The dispatches of some steps.
///
/// # Errors
/// When there is no kernel for a form of an op.
pub(crate) fn lower(
    plan: &Plan,
    steps: &[Step],
    settings: &Settings,
    pieces: &[usize],
) -> Result<Vec<Launch>, Error> {
    let mut cx = Lowering::new(plan, settings, pieces);
    let mut done = 0;
    for step in steps {
        for &id in &step.nodes {
            // What lives inside its step only is computed by the op that reads it.
            if !matches!(plan.places[id.index()], Place::Unused | Place::Region) {
                cx.stand_at(id);
                ops::lower(&mut cx, &plan.graph.node(id).op)?;
            }
        }
        share_flops(plan, step, &mut cx.launches[done..]);
        done = cx.launches.len();
    }
    Ok(cx.launches)
}

/// Spreads the operations of a step's nodes over its dispatches: those of an op over the kernels of
/// its own folder where there are some, the others over all that are left or, if none is, over all.
fn share_flops(plan: &Plan, step: &Step, launches: &mut [Launch]) {
    let own = |l: &Launch, op: &str| l.label.split('/').next() == Some(op);
    let ops: Vec<&str> = step.nodes.iter().map(|id| plan.graph.node(*id).op.name()).collect();
    let strangers: Vec<bool> = launches.iter().map(|l| !ops.iter().any(|op| own(l, op))).collect();
    for &id in step.nodes.iter().filter(|id| plan.places[id.index()] != Place::Unused) {
        let node = plan.graph.node(id);
        let types: Vec<&Type> = node.inputs.iter().map(|i| &plan.graph.node(*i).ty).collect();
        let flops = node.op.rule().flops(&types, &node.ty, &plan.class);
        let last = step.nodes.last() == Some(&id);
        let mut mine: Vec<usize> = (0..launches.len())
            .filter(|&i| own(&launches[i], node.op.name()) || last && strangers[i])
            .collect();
        if mine.is_empty() {
            mine = (0..launches.len()).collect();
        }
        mine.iter().for_each(|&i| launches[i].flops += flops / mine.len() as u64);
    }
}
