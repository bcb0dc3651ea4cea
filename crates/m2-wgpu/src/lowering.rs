//! Where an op's file stands while it turns its node into dispatches, without any object of the device.

use m2_ir::{Dim, NodeId, Op, Plan, Sizes, Type, plan::Place};
use shaders::Kernel;

use crate::{
    Error, Storage,
    launch::{Bind, Grid, Launch, Slot, Source, Window},
    layout::{self, Layout},
    settings::Settings,
    weights::storage,
};

/// What an op's file sees while it emits its dispatches.
pub(crate) struct Lowering<'a> {
    plan: &'a Plan,
    /// The sizes that kernels are specialised for.
    pub class: Sizes,
    /// What the device's limits and options decide.
    pub settings: &'a Settings,
    /// In how many pieces each value lies.
    pieces: &'a [usize],
    /// Whether long convolutions go in passes however short their rows are: one kernel cannot be
    /// given all pieces of a mixer's projections.
    pub in_passes: bool,
    /// First channel and first row of the dispatches that follow.
    pub window: Window,
    node: NodeId,
    /// The dispatches so far.
    pub launches: Vec<Launch>,
}

impl<'a> Lowering<'a> {
    /// Stands before the first node.
    pub fn new(plan: &'a Plan, settings: &'a Settings, pieces: &'a [usize]) -> Self {
        let mut mixers = plan.graph.nodes().iter().filter(|n| matches!(n.op, Op::SequenceMixer(_)));
        Lowering {
            plan,
            class: layout::class(&plan.class),
            settings,
            pieces,
            in_passes: mixers.any(|n| pieces[n.inputs[0].index()] > 1),
            window: (0, 0),
            node: NodeId(0),
            launches: Vec::new(),
        }
    }

    /// Goes to a node: its dispatches do all channels and rows until they say otherwise.
    pub fn stand_at(&mut self, node: NodeId) {
        (self.window, self.node) = ((0, 0), node);
    }

    /// The node that is lowered: the result.
    pub fn out(&self) -> NodeId {
        self.node
    }

    /// The i-th operand.
    pub fn input(&self, i: usize) -> NodeId {
        self.plan.graph.node(self.node).inputs[i]
    }

    /// All operands.
    pub fn inputs(&self) -> Vec<NodeId> {
        self.plan.graph.node(self.node).inputs.clone()
    }

    /// Operands of another node.
    pub fn inputs_of(&self, id: NodeId) -> Vec<NodeId> {
        self.plan.graph.node(id).inputs.clone()
    }

    /// The op of a node whose value lives only inside this step, so that its reader computes it.
    pub fn inside(&self, id: NodeId) -> Option<&'_ Op> {
        let inside = self.plan.places[id.index()] == Place::Region;
        inside.then(|| &self.plan.graph.node(id).op)
    }

    /// The layer norm whose operand this node normalises as it loads it.
    pub fn norm_before(&self) -> Option<NodeId> {
        let x = *self.plan.graph.node(self.node).inputs.first()?;
        (self.plan.normalises(x) == Some(self.node)).then_some(x)
    }

    /// Whether this node is a layer norm that the product after it computes.
    pub fn normalised_by_reader(&self) -> bool {
        self.plan.normalises(self.node).is_some()
    }

    /// Whether the reader of this node normalises it as it loads it.
    pub fn norm_after(&self) -> bool {
        let mut norms =
            self.plan.graph.iter().filter(|(_, n)| n.inputs.first() == Some(&self.node));
        norms.any(|(id, _)| self.plan.normalises(id).is_some())
    }

    /// Op of any node.
    pub fn op(&self, id: NodeId) -> &'_ Op {
        &self.plan.graph.node(id).op
    }

    /// Whether a value lies in more than one piece.
    pub fn in_pieces(&self, id: NodeId) -> bool {
        self.pieces[id.index()] > 1
    }

    /// Channels of each piece in which a value lies: all of them, mostly.
    pub fn piece(&self, id: NodeId) -> usize {
        self.layout(id).rest().first().copied().unwrap_or(1) / self.pieces[id.index()]
    }

    /// Type of a value.
    pub fn ty(&self, id: NodeId) -> &Type {
        &self.plan.graph.node(id).ty
    }

    /// Layout of a value.
    pub fn layout(&self, id: NodeId) -> Layout {
        Layout::of(self.ty(id), &self.class)
    }

    /// Sizes of a value at the class.
    pub fn shape(&self, id: NodeId) -> Vec<usize> {
        self.ty(id).concrete(&self.class)
    }

    /// The leading axis and the width of a (S, H) value with a symbolic S.
    ///
    /// # Errors
    /// When the value has another form.
    pub fn columns(&self, id: NodeId) -> Result<(Dim, usize), Error> {
        match self.ty(id).shape[..] {
            [lead, Dim::Fixed(h)] if lead.fixed().is_none() => Ok((lead, h)),
            _ => Err(self.unsupported(format!("of an operand {}", self.ty(id)))),
        }
    }

    /// How a weight of products is stored.
    pub fn storage(&self, w: NodeId) -> Storage {
        storage(&self.plan.graph, w, self.settings.products.weights)
    }

    /// The error for a form of the op that has no kernel.
    pub fn unsupported(&self, what: String) -> Error {
        let node = self.plan.graph.node(self.node);
        Error::Unsupported { path: node.name.clone(), op: node.op.name(), what }
    }

    /// Adds a dispatch of a kernel.
    pub fn launch(
        &mut self,
        kernel: Kernel,
        constants: impl IntoIterator<Item = (&'static str, f64)>,
        bindings: Vec<Bind>,
        grid: Grid,
    ) {
        self.launch_source(
            Source::Kernel(kernel, Vec::new()),
            kernel.name,
            constants,
            bindings,
            grid,
        );
    }

    /// Adds a dispatch of any module.
    pub fn launch_source(
        &mut self,
        source: Source,
        name: &str,
        constants: impl IntoIterator<Item = (&'static str, f64)>,
        bindings: Vec<Bind>,
        grid: Grid,
    ) {
        let label = format!("{name} {}", self.plan.graph.node(self.node).name);
        let constants = constants.into_iter().collect();
        self.launches.push(Launch {
            label,
            node: self.node,
            source,
            constants,
            bindings,
            grid,
            window: self.window,
            flops: 0,
        });
    }
}

/// Reads a node's value.
pub(crate) fn read(id: NodeId) -> Bind {
    Bind::Read(Slot::Value(id))
}

/// Writes a node's value.
pub(crate) fn write(id: NodeId) -> Bind {
    Bind::Write(Slot::Value(id))
}

/// The number by which kernels know a leading axis.
pub(crate) fn axis(dim: Dim) -> usize {
    match dim {
        Dim::Tokens => 0,
        Dim::Rows => 1,
        Dim::Asked => 2,
        Dim::Span => 3,
        Dim::Fixed(_) => 4,
    }
}

/// A size as an override constant.
pub(crate) fn size(name: &'static str, value: usize) -> (&'static str, f64) {
    (name, value as f64)
}

/// A switch as an override constant.
pub(crate) fn flag(name: &'static str, value: bool) -> (&'static str, f64) {
    (name, f64::from(u8::from(value)))
}
