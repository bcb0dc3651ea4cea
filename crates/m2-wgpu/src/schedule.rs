//! What running a plan will take, counted from its dispatches without any device.

use m2_ir::{Dim, NodeId, Plan, Sizes};

use crate::{
    Error, Memory,
    launch::{Bind, Launch, Slot},
    layout::{self, Layout},
    lowering,
    memory::{Buffers, is_activation, memory, pieces},
    program::Settings,
};

/// The dispatches of a run and the memory of its program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// In the order of the run.
    pub dispatches: Vec<Planned>,
    /// Bytes of all buffers.
    pub memory: Memory,
}

/// One dispatch of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Kernel and node.
    pub label: String,
    /// Operations at the class.
    pub flops: u64,
    /// Values of each of the batch's tokens that it is given, each part once. Weights, spectra,
    /// tables and scratch are not counted.
    pub activation_width: u64,
    /// The bytes of these values.
    pub activation_bytes: u64,
}

impl Schedule {
    /// Counts what a plan takes on a device with these settings.
    ///
    /// # Errors
    /// When there is no kernel for a form of an op, or a limit is exceeded.
    pub(crate) fn of(plan: &Plan, settings: &Settings) -> Result<Self, Error> {
        let class = layout::class(&plan.class);
        let pieces = pieces(plan, &class, settings)?;
        let prologue = lowering::lower(plan, &plan.prologue, settings.longest_transform)?;
        let steps = lowering::lower(plan, &plan.steps, settings.longest_transform)?;
        let launches = || prologue.iter().chain(&steps);
        let buffers = Buffers::of(plan, &class, &pieces, launches());
        let memory = memory(plan, &class, &buffers, launches());
        buffers.check(plan, &memory, settings)?;
        let planned = |launch: &Launch| {
            let activation_width = activation_width(plan, &class, launch);
            Planned {
                label: launch.label.clone(),
                flops: launch.flops,
                activation_width,
                activation_bytes: activation_width
                    * layout::leading(Dim::Tokens, &class) as u64
                    * 4,
            }
        };
        Ok(Schedule { dispatches: steps.iter().map(planned).collect(), memory })
    }

    /// Counts what a plan takes on any device: within WebGPU's default limits.
    ///
    /// # Errors
    /// As for a device.
    pub fn webgpu(plan: &Plan) -> Result<Self, Error> {
        Schedule::of(plan, &Settings::webgpu())
    }
}

fn activation_width(plan: &Plan, class: &Sizes, launch: &Launch) -> u64 {
    let mut seen: Vec<(NodeId, usize)> = Vec::new();
    let mut width = 0;
    for bind in &launch.bindings {
        let (Bind::Read(slot) | Bind::Write(slot)) = *bind;
        let (id, first, count) = match slot {
            Slot::Value(id) => (id, 0, Layout::of(&plan.graph.node(id).ty, class).width()),
            Slot::Channels(id, first, count) => (id, first, count),
            _ => continue,
        };
        let (of, start) = plan.resolve(id);
        if is_activation(plan, id) && !seen.contains(&(of, start + first)) {
            seen.push((of, start + first));
            width += count as u64;
        }
    }
    width
}
