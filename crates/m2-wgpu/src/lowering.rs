//! From a plan's steps to dispatches, still without any object of the device.

use m2_ir::{
    Dim, NodeId, Plan, Sizes, Type,
    plan::{Place, Step},
};
use shaders::Kernel;

use crate::{
    Error, Storage,
    launch::{Bind, Grid, Launch, Slot, Source},
    layout::{self, Layout},
    ops,
    program::Settings,
    variants::Products,
    weights::storage,
};

/// What an op's file sees while it emits its dispatches.
pub(crate) struct Lowering<'a> {
    plan: &'a Plan,
    /// The sizes that kernels are specialised for.
    pub class: Sizes,
    /// Longest transform that fits the device's workgroup memory.
    pub longest_transform: usize,
    /// How products are computed.
    pub products: Products,
    node: NodeId,
    launches: Vec<Launch>,
}

/// The dispatches of some steps.
///
/// # Errors
/// When there is no kernel for a form of an op.
pub(crate) fn lower(
    plan: &Plan,
    steps: &[Step],
    settings: &Settings,
) -> Result<Vec<Launch>, Error> {
    let class = layout::class(&plan.class);
    let Settings { longest_transform, products, .. } = *settings;
    let (node, launches) = (NodeId(0), Vec::new());
    let mut cx = Lowering { plan, class, longest_transform, products, node, launches };
    for &id in steps.iter().flat_map(|s| &s.nodes) {
        if plan.places[id.index()] == Place::Unused {
            continue;
        }
        cx.node = id;
        ops::lower(&mut cx, &plan.graph.node(id).op)?;
    }
    Ok(cx.launches)
}

impl Lowering<'_> {
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
        storage(&self.plan.graph, w, self.products.weights)
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
        self.launches.push(Launch { label, source, constants, bindings, grid });
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
