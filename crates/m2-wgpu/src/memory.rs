//! What a program needs in the device's memory, known before anything is allocated.

use std::collections::BTreeMap;

use m2_ir::{Dim, NodeId, Op, Plan, Sizes, plan::Place};

use crate::{
    Error,
    buffer::padded,
    launch::{Launch, Slot, windows},
    layout::Layout,
    readback,
    settings::Settings,
    sizes::{self, RunRow},
    tables::Table,
    weights,
};

/// Bytes of all buffers of one program, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Weights, shared with other programs of the model.
    pub weights: u64,
    /// Tables that kernels read, shared with other programs.
    pub tables: u64,
    /// Values computed once when the plan is loaded.
    pub kept: u64,
    /// Values of a run.
    pub activations: u64,
    /// What lives inside one op.
    pub scratch: u64,
    /// Ids and what else a batch brings, with its row table.
    pub inputs: u64,
    /// Where outputs of the runs in flight are read.
    pub readback: u64,
}

impl Memory {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights
            + self.tables
            + self.kept
            + self.activations
            + self.scratch
            + self.inputs
            + self.readback
    }
}

/// The buffers that are made for one program alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers {
    /// For each buffer of the plan the bytes of its pieces.
    pub activations: Vec<Vec<u64>>,
    /// Inputs and kept values.
    pub values: Vec<(NodeId, u64)>,
    /// Scratch buffers by number.
    pub scratch: BTreeMap<usize, u64>,
}

impl Buffers {
    /// Sizes of everything that a plan and its dispatches name.
    pub fn of<'a>(
        plan: &Plan,
        class: &Sizes,
        pieces: &[usize],
        launches: impl Iterator<Item = &'a Launch>,
    ) -> Self {
        let mut buffers =
            Buffers { activations: vec![Vec::new(); plan.buffers.len()], ..Default::default() };
        let uses = plan.graph.uses();
        for (id, node) in plan.graph.iter() {
            let bytes = Layout::of(&node.ty, class).len() as u64 * 4;
            match (plan.places[id.index()], &node.op) {
                (Place::Buffer(b), _) => {
                    let n = pieces[id.index()];
                    let color = &mut buffers.activations[b];
                    color.resize(color.len().max(n), 0);
                    color[..n].iter_mut().for_each(|c| *c = (*c).max(bytes / n as u64));
                }
                (Place::Source, Op::Param) => {}
                (Place::Source | Place::Frozen, _) if uses[id.index()] > 0 => {
                    buffers.values.push((id, bytes));
                }
                _ => {}
            }
        }
        for bind in launches.flat_map(|l| &l.bindings) {
            if let Slot::Scratch(i, elements) = bind.slot() {
                let most = buffers.scratch.entry(i).or_default();
                *most = (elements as u64 * 4).max(*most);
            }
        }
        buffers
    }

    /// Each buffer's bytes with what it is for.
    fn each<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = (&'a str, u64)> {
        let activations = self.activations.iter().flatten().map(|b| ("an activation", *b));
        let values = self.values.iter().map(|(id, b)| (plan.graph.node(*id).name.as_str(), *b));
        let scratch = self.scratch.values().map(|b| ("an intermediate value", *b));
        activations.chain(values).chain(scratch)
    }

    /// Checks that each fits a buffer of the device, and all of them the memory it may use.
    ///
    /// # Errors
    /// The first limit that is exceeded, with what is needed and what there is.
    pub fn check(&self, plan: &Plan, memory: &Memory, settings: &Settings) -> Result<(), Error> {
        for (what, bytes) in self.each(plan) {
            if bytes > settings.max_buffer {
                return Err(Error::Limit {
                    what: format!("{what} in bytes"),
                    needed: bytes,
                    available: settings.max_buffer,
                    hint: "use a smaller batch or shorter texts",
                });
            }
        }
        if memory.total() > settings.max_memory {
            return Err(Error::Limit {
                what: format!("the model with a batch of {} tokens in bytes", plan.class.tokens),
                needed: memory.total(),
                available: settings.max_memory,
                hint: "use a smaller batch, shorter texts or a smaller model, or raise \
                       --max-memory",
            });
        }
        Ok(())
    }
}

/// All buffers of a program, weights and tables included.
pub(crate) fn memory<'a>(
    plan: &Plan,
    class: &Sizes,
    buffers: &Buffers,
    launches: impl Iterator<Item = &'a Launch> + Clone,
    settings: &Settings,
) -> Memory {
    let sum = |bytes: &mut dyn Iterator<Item = u64>| bytes.map(padded).sum::<u64>();
    let place = |id: &NodeId| plan.places[id.index()];
    let of = |kept: bool| {
        let values = buffers.values.iter();
        sum(&mut values.filter(|(id, _)| (place(id) == Place::Frozen) == kept).map(|v| v.1))
    };
    let outputs = plan.graph.outputs().iter();
    let mut outputs =
        outputs.map(|(_, id)| Layout::of(&plan.graph.node(*id).ty, class).len() as u64 * 4);
    let in_flight = readback::runs(outputs.clone()) as u64;
    let batch = [
        (windows(launches.clone()).len() * sizes::BLOCK) as u64,
        (class.rows * size_of::<RunRow>()) as u64,
        class.rows as u64 * 4,
        class.asked as u64 * 4,
    ];
    Memory {
        weights: weights::bytes(&plan.graph, settings.products.weights),
        tables: weights::tables(launches).into_iter().map(Table::bytes).sum(),
        kept: of(true),
        activations: sum(&mut buffers.activations.iter().flatten().copied()),
        scratch: sum(&mut buffers.scratch.values().copied()),
        inputs: of(false) + sum(&mut batch.into_iter()),
        readback: in_flight * sum(&mut outputs),
    }
}

/// In how many pieces each value lies: more than one where it is larger than a binding.
///
/// # Errors
/// When a value is too large and cannot be cut where its readers would need it.
pub(crate) fn pieces(plan: &Plan, class: &Sizes, settings: &Settings) -> Result<Vec<usize>, Error> {
    plan.graph.iter().map(|(id, _)| pieces_of(plan, class, settings, id)).collect()
}

fn pieces_of(plan: &Plan, class: &Sizes, settings: &Settings, id: NodeId) -> Result<usize, Error> {
    let node = plan.graph.node(id);
    let layout = Layout::of(&node.ty, class);
    let bytes = layout.len() as u64 * 4;
    let is_activation = matches!(plan.places[id.index()], Place::Buffer(_));
    if bytes <= settings.max_binding || !is_activation {
        return Ok(1);
    }
    let width = layout.width();
    let fits = |n: usize| bytes / n as u64 <= settings.max_binding && width.is_multiple_of(n);
    let cuts = cuts(plan, id);
    let found = (2..=width).filter(|&n| fits(n)).find(|&n| cuts.allow(width / n));
    found.filter(|_| node.ty.shape.len() == 2 && layout.lead.is_some()).ok_or_else(|| {
        Error::Limit {
            what: format!("{} in bytes", node.name),
            needed: bytes,
            available: settings.max_binding,
            hint: "use a smaller batch or shorter texts",
        }
    })
}

/// Where a value may be cut.
struct Cuts {
    /// Channels of a piece are a multiple of each.
    units: Vec<usize>,
    /// The value must stay whole.
    never: bool,
    /// A piece holds whole blocks of this many channels, or lies inside one.
    block: usize,
}

/// Channels of a piece are a multiple of this, so that slices of weights begin where bindings may.
const CUT_ALIGN: usize = 64;

impl Cuts {
    fn allow(&self, piece: usize) -> bool {
        let inside = self.block.is_multiple_of(piece) || piece.is_multiple_of(self.block);
        !self.never && inside && self.units.iter().all(|u| piece.is_multiple_of(*u))
    }
}

fn cuts(plan: &Plan, id: NodeId) -> Cuts {
    let mut cuts = Cuts { units: vec![CUT_ALIGN], never: false, block: 1 };
    match &plan.graph.node(id).op {
        Op::MatMul(_) => {}
        Op::BlockDiagMatMul(op) => {
            let shape = &plan.graph.node(plan.graph.node(id).inputs[1]).ty.shape;
            let (blocks, rows) = (shape[0].fixed().unwrap_or(1), shape[1].fixed().unwrap_or(1));
            // Half of an odd number of blocks falls inside one.
            cuts.never |= op.epilogue.glu && blocks % 2 == 1 && blocks > 1;
            cuts.block = if op.epilogue.glu && blocks == 1 { rows / 2 } else { rows };
        }
        _ => cuts.never = true,
    }
    for (_, reader) in plan.graph.iter().filter(|(_, n)| n.inputs.contains(&id)) {
        let first = reader.inputs.iter().position(|i| *i == id) == Some(0);
        let once = reader.inputs.iter().filter(|i| **i == id).count() == 1;
        match (&reader.op, first && once) {
            (Op::SequenceMixer(_), true) => {
                cuts.units.push(plan.graph.node(id).ty.width().unwrap_or(1) / 3);
            }
            (Op::BlockDiagMatMul(op), true) if !op.epilogue.glu => {
                let [_, rows, inputs] = plan.graph.node(reader.inputs[1]).ty.shape[..] else {
                    cuts.never = true;
                    continue;
                };
                cuts.units.push(inputs.fixed().unwrap_or(1));
                cuts.never |= !rows.fixed().unwrap_or(1).is_multiple_of(CUT_ALIGN);
            }
            _ => cuts.never = true,
        }
    }
    cuts
}

/// Whether a value is one of a run's tensors along its tokens: what activation traffic counts.
pub(crate) fn is_activation(plan: &Plan, id: NodeId) -> bool {
    let (of, _) = plan.resolve(id);
    let leads = plan.graph.node(id).ty.shape.first() == Some(&Dim::Tokens);
    leads && matches!(plan.places[of.index()], Place::Buffer(_))
}
