//! All that is known of a program before any object of the device is made.

use m2_ir::{Plan, Sizes};

use crate::{
    Error, Memory,
    launch::Launch,
    layout, lowering,
    memory::{Buffers, memory, pieces},
    program::Settings,
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
        let prologue = lowering::lower(plan, &plan.prologue, settings, &pieces)?;
        let steps = lowering::lower(plan, &plan.steps, settings, &pieces)?;
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
