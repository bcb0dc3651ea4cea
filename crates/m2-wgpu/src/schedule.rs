//! What running a plan will take, counted from its dispatches without any device.

use m2_ir::{Dim, NodeId, Op, Plan, Sizes};

use crate::{
    Error, Memory,
    draft::Draft,
    launch::{Launch, Slot},
    layout::{self, Layout},
    memory::is_activation,
    settings::Settings,
    variants::Storage,
    weights::{storage, stored_bytes},
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
    /// Bytes of everything that it is given, each part once; of a table that is looked up, what a
    /// look-up of every token reads.
    pub bytes: u64,
}

impl Schedule {
    /// Counts what a plan takes on a device with these settings.
    ///
    /// # Errors
    /// When there is no kernel for a form of an op, or a limit is exceeded.
    pub(crate) fn of(plan: &Plan, settings: &Settings) -> Result<Self, Error> {
        let draft = Draft::of(plan, settings)?;
        let class = draft.class;
        let planned = |launch: &Launch| {
            let activation_width = activation_width(plan, &class, launch);
            Planned {
                label: launch.label.clone(),
                flops: launch.flops,
                activation_width,
                activation_bytes: activation_width
                    * layout::leading(Dim::Tokens, &class) as u64
                    * 4,
                bytes: bytes(plan, &class, launch, settings.products.weights),
            }
        };
        let dispatches = draft.steps.iter().map(planned).collect();
        Ok(Schedule { dispatches, memory: draft.memory })
    }

    /// Counts what a plan takes on any device: within WebGPU's default limits.
    ///
    /// # Errors
    /// As for a device.
    pub fn webgpu(plan: &Plan) -> Result<Self, Error> {
        Schedule::of(plan, &Settings::webgpu())
    }
}

/// A node's channels that a dispatch is given: the node whose place they have, the first, how many.
type Given = (NodeId, usize, usize);

/// The values that a dispatch is given, each part once.
fn values(plan: &Plan, class: &Sizes, launch: &Launch) -> Vec<(NodeId, Given)> {
    let mut values: Vec<(NodeId, Given)> = Vec::new();
    for bind in &launch.bindings {
        let (id, first, count) = match bind.slot() {
            Slot::Value(id) => (id, 0, channels(plan, class, id)),
            Slot::Channels(id, first, count) => (id, first, count),
            _ => continue,
        };
        let (of, start) = plan.resolve(id);
        if !values.iter().any(|(_, (o, f, _))| (*o, *f) == (of, start + first)) {
            values.push((id, (of, start + first, count)));
        }
    }
    values
}

fn channels(plan: &Plan, class: &Sizes, id: NodeId) -> usize {
    Layout::of(&plan.graph.node(id).ty, class).rest().first().copied().unwrap_or(1)
}

/// Bytes of some channels of a node's value.
fn value_bytes(plan: &Plan, class: &Sizes, (of, _, count): Given) -> u64 {
    let all = Layout::of(&plan.graph.node(of).ty, class).len() as u64 * 4;
    all / channels(plan, class, of).max(1) as u64 * count as u64
}

fn activation_width(plan: &Plan, class: &Sizes, launch: &Launch) -> u64 {
    let along = values(plan, class, launch).into_iter().filter(|(id, _)| is_activation(plan, *id));
    let ld = layout::leading(Dim::Tokens, class) as u64 * 4;
    along.map(|(_, given)| value_bytes(plan, class, given) / ld).sum()
}

fn bytes(plan: &Plan, class: &Sizes, launch: &Launch, weights: Storage) -> u64 {
    let node = plan.graph.node(launch.node);
    let given = values(plan, class, launch).into_iter().map(|(_, given)| {
        let bytes = value_bytes(plan, class, given);
        stored_bytes(bytes as usize / 4, storage(&plan.graph, given.0, weights))
    });
    let other = launch.bindings.iter().map(|b| match b.slot() {
        Slot::Scratch(_, n) | Slot::Elements(_, _, n) => n as u64 * 4,
        _ => 0,
    });
    match node.op {
        Op::Gather(_) => 2 * Layout::of(&node.ty, class).len() as u64 * 4,
        _ => given.chain(other).sum(),
    }
}
