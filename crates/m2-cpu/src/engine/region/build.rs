//! Compiling a step: operands get scratch slots, weights are packed, views disappear.

use std::{collections::BTreeMap, sync::Arc};

use m2_ir::{
    Expr, Locality, Node, NodeId, Op, Parameters, Plan,
    ops::{Activation, Epilogue, Orientation},
    plan::{Place, Step},
};

use super::{Halo, Region, product::Product, short::Short};
use crate::{
    Error,
    engine::{CpuWeights, Machine, Raw, Store, is_param, is_stored},
    gemm::PackedB,
};

/// Where a stage reads.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    /// Columns `start..start + width` of a value in scratch, whose rows are `stride` wide.
    Slot { slot: usize, start: usize, stride: usize, width: usize },
    /// The block's rows of a value in the store.
    Stored(NodeId),
    /// A weight: the same for every row.
    Weight(Arc<Raw>),
}

/// One op on a block.
#[derive(Debug)]
pub(super) struct Stage {
    pub op: StageOp,
    /// Scratch slot and width of the result.
    pub slot: usize,
    pub width: usize,
    /// How many other members read the result.
    pub readers: usize,
    /// Index among the region's outputs, if the result is stored.
    pub publish: Option<usize>,
    /// In block mode a stage beside this one makes its values: the product that needs them, tile
    /// by tile, or the product whose tiles this one changes.
    pub chained: bool,
}

#[derive(Debug)]
pub(super) enum StageOp {
    Product(Product),
    Short(Operand, Short),
    Rows(RowOp),
    /// The op's definition on copies of the block's rows.
    Plain {
        op: Op,
        operands: Vec<(Operand, Vec<usize>)>,
    },
}

/// What makes one row of its result at a time.
#[derive(Debug)]
pub(super) enum RowOp {
    Norm { x: Operand, residual: Option<Operand>, w: Arc<Raw>, b: Arc<Raw>, eps: f32 },
    Map { expr: Expr, operands: Vec<Operand> },
    Copy(Operand),
    Gather { table: Arc<Raw>, ids: NodeId },
}

struct Compiler<'a> {
    machine: &'a Machine<'a>,
    plan: &'a Plan,
    step: &'a Step,
    store: &'a mut Store,
    params: &'a dyn Parameters,
    weights: &'a mut CpuWeights,
    /// Slot, first column and stride of each member.
    at: BTreeMap<NodeId, (usize, usize, usize)>,
    /// Index of the last member that reads a member's slot, aliases included.
    last: BTreeMap<NodeId, usize>,
    slots: Vec<(usize, Option<usize>)>,
    packs: Vec<usize>,
    /// Which value each packed block holds, and the last member that reads it.
    packed: Vec<(NodeId, usize)>,
    /// The last member that is a product.
    previous: Option<usize>,
}

impl Region {
    pub(in crate::engine) fn new(
        machine: &Machine<'_>,
        plan: &Plan,
        step: &Step,
        store: &mut Store,
        params: &dyn Parameters,
        weights: &mut CpuWeights,
    ) -> Result<Self, Error> {
        let outputs: Vec<NodeId> =
            step.nodes.iter().copied().filter(|id| is_stored(plan, *id)).collect();
        let mut c = Compiler {
            machine,
            plan,
            step,
            store,
            params,
            weights,
            at: BTreeMap::new(),
            last: BTreeMap::new(),
            slots: Vec::new(),
            packs: Vec::new(),
            packed: Vec::new(),
            previous: None,
        };
        c.find_last_readers();
        let mut stages = Vec::new();
        let mut halo = None;
        for (index, &id) in step.nodes.iter().enumerate() {
            let publish = outputs.iter().position(|o| *o == id);
            let node = plan.graph.node(id);
            if matches!(plan.places[id.index()], Place::View { .. }) {
                continue;
            }
            if let (Op::Slice(s), None) = (&node.op, publish)
                && let Some(&(slot, start, stride)) = c.at.get(&node.inputs[0])
            {
                c.at.insert(id, (slot, start + s.start, stride));
                continue;
            }
            let op = c.stage(index, node)?;
            let width = node.ty.width().unwrap_or(0);
            let slot = c.take_slot(index, id, width);
            if let (Locality::Halo(reach), StageOp::Short(Operand::Slot { slot, stride, .. }, _)) =
                (node.op.rule().locality(), &op)
            {
                halo = Some(Halo { stage: stages.len(), reach, slot: *slot, width: *stride });
            }
            let reads = |n: &&NodeId| plan.graph.node(**n).inputs.contains(&id);
            let readers = step.nodes.iter().filter(reads).count();
            stages.push(Stage { op, slot, width, readers, publish, chained: false });
        }
        super::product::chain(&mut stages);
        super::product::shorten(&mut stages);
        let lead = plan.graph.node(step.nodes[0]).ty.shape[0];
        let slots = c.slots.iter().map(|s| s.0).collect();
        Ok(Region { stages, lead, slots, packs: c.packs, outputs, halo })
    }
}

impl Compiler<'_> {
    fn find_last_readers(&mut self) {
        let mut base: BTreeMap<NodeId, NodeId> = BTreeMap::new();
        for (index, &id) in self.step.nodes.iter().enumerate() {
            let node = self.plan.graph.node(id);
            let root = match (&node.op, node.inputs.first()) {
                // A stored slice is a copy with a slot of its own.
                (Op::Slice(_), Some(i)) if !is_stored(self.plan, id) => {
                    base.get(i).copied().unwrap_or(id)
                }
                _ => id,
            };
            base.insert(id, root);
            for i in &node.inputs {
                if let Some(&root) = base.get(i) {
                    self.last.insert(root, index);
                }
            }
        }
    }

    /// A free slot, or a new one, for the result of member `index`.
    fn take_slot(&mut self, index: usize, id: NodeId, width: usize) -> usize {
        let until = self.last.get(&id).copied();
        let free = |s: &(usize, Option<usize>)| s.1.is_none_or(|u| u < index);
        let slot = self.slots.iter().position(free).unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() - 1
        });
        self.slots[slot] = (self.slots[slot].0.max(width), Some(until.unwrap_or(index)));
        self.at.insert(id, (slot, 0, width));
        slot
    }

    fn operand(&mut self, id: NodeId) -> Result<Operand, Error> {
        if let Some(&(slot, start, stride)) = self.at.get(&id) {
            let width = self.plan.graph.node(id).ty.width().unwrap_or(0);
            return Ok(Operand::Slot { slot, start, stride, width });
        }
        if is_param(self.plan, id) {
            return Ok(Operand::Weight(self.weight(id)?));
        }
        Ok(Operand::Stored(id))
    }

    fn weight(&mut self, id: NodeId) -> Result<Arc<Raw>, Error> {
        self.weights.raw(self.plan.graph.node(id), self.params)
    }

    fn stage(&mut self, index: usize, node: &Node) -> Result<StageOp, Error> {
        let whole = |i: usize| node.inputs.get(i).is_some_and(|i| is_param(self.plan, *i));
        match &node.op {
            Op::MatMul(m)
                if m.orientation == Orientation::Nt
                    && whole(1)
                    && (!m.epilogue.bias || whole(2)) =>
            {
                let blocks = if m.epilogue.glu { 2 } else { 1 };
                self.product(index, node, &m.epilogue, blocks)
            }
            Op::BlockDiagMatMul(m) if whole(1) && (!m.epilogue.bias || whole(2)) => {
                let nb = self.plan.graph.node(node.inputs[1]).ty.shape[0].fixed().unwrap_or(1);
                match (m.epilogue.glu, nb) {
                    (true, 1) => self.product(index, node, &m.epilogue, 2),
                    (true, nb) if nb % 2 == 1 => self.plain(node),
                    (_, nb) => self.product(index, node, &m.epilogue, nb),
                }
            }
            Op::LayerNorm(o) if whole(1) && whole(2) => Ok(StageOp::Rows(RowOp::Norm {
                x: self.operand(node.inputs[0])?,
                residual: node.inputs.get(3).map(|i| self.operand(*i)).transpose()?,
                w: self.weight(node.inputs[1])?,
                b: self.weight(node.inputs[2])?,
                eps: o.eps as f32,
            })),
            Op::Elementwise(e) if self.by_rows(node) => {
                let operands =
                    node.inputs.iter().map(|i| self.operand(*i)).collect::<Result<_, _>>()?;
                Ok(StageOp::Rows(RowOp::Map { expr: e.expr.clone(), operands }))
            }
            Op::ShortConv(o) if whole(1) && whole(2) => {
                let w = self.weight(node.inputs[1])?;
                let short = Short::new(o.taps, w.slice(), self.weight(node.inputs[2])?);
                Ok(StageOp::Short(self.operand(node.inputs[0])?, short))
            }
            Op::Slice(s) => {
                let x = self.operand(node.inputs[0])?;
                Ok(StageOp::Rows(RowOp::Copy(match x {
                    Operand::Slot { slot, start, stride, .. } => {
                        Operand::Slot { slot, start: start + s.start, stride, width: s.len }
                    }
                    other => other,
                })))
            }
            Op::Gather(_) if whole(0) => {
                let table = self.weight(node.inputs[0])?;
                Ok(StageOp::Rows(RowOp::Gather { table, ids: node.inputs[1] }))
            }
            _ => self.plain(node),
        }
    }

    /// Whether each operand is a row a token, a value a token, or one row for all.
    fn by_rows(&self, node: &Node) -> bool {
        let width = node.ty.width();
        node.inputs.iter().all(|i| {
            let t = &self.plan.graph.node(*i).ty;
            match t.shape.len() {
                2 => t.shape[0] == node.ty.shape[0] && (t.width() == width || t.width() == Some(1)),
                1 => is_param(self.plan, *i) && (t.width() == width || t.width() == Some(1)),
                _ => false,
            }
        })
    }

    fn plain(&mut self, node: &Node) -> Result<StageOp, Error> {
        let operands = node
            .inputs
            .iter()
            .map(|i| {
                let shape = self.plan.graph.node(*i).ty.concrete(&self.plan.class);
                if is_param(self.plan, *i) {
                    self.store.raw[i.index()] = Some(self.weight(*i)?);
                }
                Ok((self.operand(*i)?, shape))
            })
            .collect::<Result<_, Error>>()?;
        Ok(StageOp::Plain { op: node.op.clone(), operands })
    }

    fn product(
        &mut self,
        index: usize,
        node: &Node,
        e: &Epilogue,
        blocks: usize,
    ) -> Result<StageOp, Error> {
        let w = self.plan.graph.node(node.inputs[1]);
        let packed = self.weights.packed(self.machine, w, blocks, self.params)?;
        let bias = e.bias.then(|| self.weight(node.inputs[2])).transpose()?;
        let residual = match e.residual {
            true => node.inputs.last().map(|i| self.operand(*i)).transpose()?,
            false => None,
        };
        let x = self.operand(node.inputs[0])?;
        let width = self.plan.graph.node(node.inputs[0]).ty.width().unwrap_or(0);
        let (pack, fresh) = self.pack(index, node.inputs[0], width);
        let dense = matches!(node.op, Op::MatMul(_)) || w.ty.shape[0].fixed() == Some(1);
        let activation = match e.activation {
            Activation::None => crate::gemm::Activation::Identity,
            Activation::Gelu => crate::gemm::Activation::Gelu,
            Activation::Tanh => crate::gemm::Activation::Tanh,
        };
        let parts = super::product::parts(&packed, dense, e.glu);
        Ok(StageOp::Product(Product {
            packed,
            parts,
            bias,
            activation,
            residual,
            x,
            pack,
            fresh,
            chain: None,
            short: None,
        }))
    }

    /// The packed block for operand `x` of member `index`, and whether it has to be packed first.
    fn pack(&mut self, index: usize, x: NodeId, width: usize) -> (usize, bool) {
        if let Some(i) = self.packed.iter().position(|p| p.0 == x) {
            self.previous = Some(index);
            return (i, false);
        }
        let last = (index..self.step.nodes.len())
            .filter(|&i| {
                let n = self.plan.graph.node(self.step.nodes[i]);
                matches!(n.op, Op::MatMul(_) | Op::BlockDiagMatMul(_)) && n.inputs[0] == x
            })
            .max()
            .unwrap_or(index);
        // What the product before reads is needed still if that one feeds this one tile by tile.
        let before = self.previous.replace(index).unwrap_or(0);
        let free = self.packed.iter().position(|p| p.1 < before);
        let i = free.unwrap_or_else(|| {
            self.packed.push((x, last));
            self.packs.push(0);
            self.packed.len() - 1
        });
        self.packed[i] = (x, last);
        self.packs[i] = self.packs[i].max(width);
        (i, true)
    }
}

/// Panel width of packed weights.
pub(super) fn panel(packed: &[PackedB]) -> usize {
    packed.first().map_or(1, PackedB::nr)
}
