//! A plan: what runs in which order, and where every value lies. Data only.

mod norms;
mod schedule;

use crate::{DType, Dim, Error, Graph, Kind, NodeId, Op, Sizes, Target, passes};
use schedule::{frozen, owners, schedule, views};

/// One op, or a region. On a CPU that is a run of token-local ops executed block by block; on a GPU
/// it is a long convolution with what makes its spectrum, executed channel group by channel group,
/// or a product with the layer norm of its operand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Nodes in order; more than one only in a region.
    pub nodes: Vec<NodeId>,
}

/// Where a node's value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A weight or an input.
    Source,
    /// Computed once when the plan is loaded, kept as long as the program.
    Frozen,
    /// In this buffer, from its first element.
    Buffer(usize),
    /// Columns of another value, from this one on (0 for a reshape); no work by itself.
    View {
        /// The value whose elements these are; never a view itself.
        of: NodeId,
        /// First column.
        start: usize,
    },
    /// Only inside its region.
    Region,
    /// Nobody reads it.
    Unused,
}

/// An executable schedule of a graph for one target and one class of sizes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it was made for.
    pub target: Target,
    /// The sizes it serves: any batch whose sizes are not larger.
    pub class: Sizes,
    /// The graph after all passes.
    pub graph: Graph,
    /// Steps that depend on weights alone, run once at load.
    pub prologue: Vec<Step>,
    /// Steps of every run.
    pub steps: Vec<Step>,
    /// Sizes of the activation buffers in bytes.
    pub buffers: Vec<u64>,
    /// Place of each node.
    pub places: Vec<Place>,
}

/// How much of a graph is fused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fusion {
    /// Everything that pays: what users get.
    Full,
    /// Nothing; composite ops are decomposed: the oracle, every named value stands.
    None,
}

/// Makes the plan of a graph.
///
/// # Errors
/// When something exceeds a limit of the target (with what is needed, what there is and what to
/// change), or a pass breaks a rule.
pub fn lower(graph: &Graph, target: &Target, class: Sizes, fusion: Fusion) -> Result<Plan, Error> {
    let list = match fusion {
        Fusion::Full => passes::fused(target),
        Fusion::None => passes::decomposed(),
    };
    let graph = passes::run(graph, &list, |_, _| {})?;
    let views = views(&graph);
    let frozen = frozen(&graph, target, &class);
    let regions = target.kind == Kind::Cpu && fusion == Fusion::Full;
    let owners = match (target.kind, fusion) {
        (Kind::Gpu, Fusion::Full) => {
            let mut owners = owners(&graph, &frozen);
            if target.norms_in_products {
                norms::fold(&graph, &views, &frozen, &mut owners);
            }
            owners
        }
        _ => vec![None; graph.nodes().len()],
    };
    let (prologue, steps) = schedule(&graph, &views, &frozen, &owners, regions);
    let mut plan = Plan {
        target: target.clone(),
        class,
        places: vec![Place::Unused; graph.nodes().len()],
        graph,
        prologue,
        steps,
        buffers: Vec::new(),
    };
    place(&mut plan, &views, &frozen);
    plan.verify()?;
    plan.check_limits()?;
    Ok(plan)
}

/// Gives each value a place: buffers are reused once their last reader has run, and a step's
/// results never share a buffer with its operands.
fn place(plan: &mut Plan, views: &[Option<(NodeId, usize)>], frozen: &[bool]) {
    let graph = &plan.graph;
    let n = graph.nodes().len();
    let all: Vec<&Step> = plan.prologue.iter().chain(&plan.steps).collect();
    let mut step_of = vec![usize::MAX; n];
    for (s, step) in all.iter().enumerate() {
        step.nodes.iter().for_each(|id| step_of[id.index()] = s);
    }
    // Inside a region a view of a member is a member: readers outside get a copy of its columns.
    let member = |id: NodeId| {
        views[id.index()].is_some_and(|(of, _)| {
            step_of[id.index()] != usize::MAX && step_of[of.index()] == step_of[id.index()]
        })
    };
    let resolve = |id: NodeId| match views[id.index()] {
        Some((of, _)) if !member(id) => of,
        _ => id,
    };
    let mut last = vec![None; n];
    for (id, node) in graph.iter() {
        let at = step_of[id.index()];
        if at == usize::MAX || (views[id.index()].is_some() && !member(id)) {
            continue;
        }
        for &i in &node.inputs {
            let i = resolve(i).index();
            last[i] = last[i].max(Some(at));
        }
    }
    for (_, id) in graph.outputs() {
        last[resolve(*id).index()] = Some(usize::MAX);
    }
    let kept = |id: NodeId| {
        frozen[id.index()] && last[id.index()].is_some_and(|l| l >= plan.prologue.len())
    };
    let mut places = vec![Place::Unused; n];
    let mut buffers: Vec<(u64, Option<usize>)> = Vec::new();
    for (id, _) in graph.iter().filter(|(_, n)| n.op.is_source()) {
        places[id.index()] = Place::Source;
    }
    for (s, step) in all.iter().enumerate() {
        for &id in &step.nodes {
            let node = graph.node(id);
            places[id.index()] = match last[id.index()] {
                _ if views[id.index()].is_some() && !member(id) => continue,
                _ if kept(id) => Place::Frozen,
                Some(l) if l == s => Place::Region,
                None => Place::Unused,
                Some(until) => {
                    let bytes = (node.ty.len(&plan.class) * node.ty.dtype.size()) as u64;
                    Place::Buffer(take(&mut buffers, bytes, s, until))
                }
            };
        }
    }
    for (id, _) in graph.iter().filter(|(id, _)| views[id.index()].is_some() && !member(*id)) {
        if let Some((of, start)) = views[id.index()] {
            places[id.index()] = Place::View { of, start };
        }
    }
    plan.places = places;
    plan.buffers = buffers.into_iter().map(|(bytes, _)| bytes).collect();
}

/// The free buffer that wastes least, grown if need be, or a new one. `busy` = last reading step.
fn take(buffers: &mut Vec<(u64, Option<usize>)>, bytes: u64, step: usize, until: usize) -> usize {
    let free = |b: &(u64, Option<usize>)| b.1.is_none_or(|u| u < step);
    let best = (0..buffers.len()).filter(|&i| free(&buffers[i])).min_by_key(|&i| {
        let have = buffers[i].0;
        if have >= bytes { (0, have - bytes) } else { (1, bytes - have) }
    });
    let i = best.unwrap_or_else(|| {
        buffers.push((0, None));
        buffers.len() - 1
    });
    buffers[i] = (buffers[i].0.max(bytes), Some(until));
    i
}

impl Plan {
    /// Where a value lies once views are followed, and its first column there.
    pub fn resolve(&self, id: NodeId) -> (NodeId, usize) {
        match self.places[id.index()] {
            Place::View { of, start } => (of, start),
            _ => (id, 0),
        }
    }

    /// The product that normalises a layer norm's operand as it loads it, where there is no step for
    /// the norm alone.
    pub fn normalises(&self, norm: NodeId) -> Option<NodeId> {
        matches!(self.graph.node(norm).op, Op::LayerNorm(_)).then_some(())?;
        let step = self.steps.iter().find(|s| s.nodes.contains(&norm))?;
        let reader = *step.nodes.last()?;
        (self.target.kind == Kind::Gpu && reader != norm).then_some(reader)
    }

    /// Bytes of a value at the plan's class.
    pub fn bytes(&self, id: NodeId) -> u64 {
        let ty = &self.graph.node(id).ty;
        (ty.len(&self.class) * ty.dtype.size()) as u64
    }

    /// Bytes of activation buffers, kept values, inputs and weights together.
    pub fn peak_bytes(&self) -> u64 {
        let resident = |place: Place| {
            self.graph
                .iter()
                .filter(move |(id, _)| self.places[id.index()] == place)
                .map(|(id, _)| self.bytes(id))
                .sum::<u64>()
        };
        self.buffers.iter().sum::<u64>() + resident(Place::Source) + resident(Place::Frozen)
    }

    /// Checks the plan's own rules: every operand is computed before it is read, and no step writes
    /// a buffer that it reads or that a later step still needs.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn verify(&self) -> Result<(), Error> {
        let mut holds: Vec<Option<NodeId>> = vec![None; self.buffers.len()];
        let mut done = vec![false; self.graph.nodes().len()];
        for step in self.prologue.iter().chain(&self.steps) {
            for &id in &step.nodes {
                for &input in &self.graph.node(id).inputs {
                    let (of, _) = self.resolve(input);
                    let ready = match self.places[of.index()] {
                        Place::Source => true,
                        Place::Buffer(b) => holds[b] == Some(of) || step.nodes.contains(&of),
                        Place::Frozen | Place::Region => done[of.index()],
                        Place::View { .. } | Place::Unused => false,
                    };
                    if !ready {
                        return Err(Error::Internal(format!("{id} reads {input}, which is gone")));
                    }
                }
                done[id.index()] = true;
            }
            let written: Vec<(usize, NodeId)> = step
                .nodes
                .iter()
                .filter_map(|&id| match self.places[id.index()] {
                    Place::Buffer(b) => Some((b, id)),
                    _ => None,
                })
                .collect();
            for &(b, id) in &written {
                let reads_it =
                    step.nodes.iter().flat_map(|n| &self.graph.node(*n).inputs).any(|i| {
                        let (of, _) = self.resolve(*i);
                        self.places[of.index()] == Place::Buffer(b) && of != id
                    });
                let twice = written.iter().filter(|w| w.0 == b).count() > 1;
                if reads_it || twice {
                    return Err(Error::Internal(format!(
                        "{id} overwrites an operand in buffer {b}"
                    )));
                }
                holds[b] = Some(id);
            }
        }
        for (name, id) in self.graph.outputs() {
            let (of, _) = self.resolve(*id);
            if let Place::Buffer(b) = self.places[of.index()]
                && holds[b] != Some(of)
            {
                return Err(Error::Internal(format!("output {name} was overwritten")));
            }
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), Error> {
        let limit = |what: String, needed: u64, available: u64, hint| {
            if needed <= available {
                return Ok(());
            }
            Err(Error::Limit { what, needed, available, hint })
        };
        // A value may lie in pieces, but never less than a channel of it: how it is cut is for the
        // backend, which checks each piece.
        let most = self.target.max_buffer.min(self.target.max_binding);
        let placed = |id: NodeId| matches!(self.places[id.index()], Place::Buffer(_));
        for (id, node) in self.graph.iter().filter(|(id, _)| placed(*id)) {
            let channel = self.bytes(id) / node.ty.width().unwrap_or(1).max(1) as u64;
            let what = format!("a channel of {}", node.name);
            limit(what, channel, most, "use a smaller batch or shorter texts")?;
        }
        limit(
            format!("a batch of {} tokens", self.class.tokens),
            self.peak_bytes(),
            self.target.max_memory,
            "use a smaller batch, shorter texts or a smaller model",
        )
    }

    /// What one run costs, step by step.
    pub fn costs(&self) -> Vec<StepCost> {
        self.steps.iter().map(|s| self.cost(s)).collect()
    }

    fn cost(&self, step: &Step) -> StepCost {
        let mut cost = StepCost::default();
        let mut read: Vec<NodeId> = Vec::new();
        for &id in &step.nodes {
            let node = self.graph.node(id);
            let types: Vec<_> = node.inputs.iter().map(|i| &self.graph.node(*i).ty).collect();
            cost.flops += node.op.rule().flops(&types, &node.ty, &self.class);
            cost.name = node.op.name();
            cost.path.clone_from(&node.name);
            if matches!(self.places[id.index()], Place::Buffer(_)) {
                cost.bytes += self.bytes(id);
                cost.activation_width += self.token_width(id);
            }
            for &i in &node.inputs {
                if !step.nodes.contains(&self.resolve(i).0) && !read.contains(&i) {
                    read.push(i);
                }
            }
        }
        for i in read {
            cost.bytes += self.bytes(i);
            cost.activation_width += self.token_width(i);
        }
        if step.nodes.len() > 1 {
            cost.name = "region";
        }
        cost
    }

    /// Values per token of an activation; 0 for weights, spectra, ids and per-row values.
    fn token_width(&self, id: NodeId) -> u64 {
        let ty = &self.graph.node(id).ty;
        let counted = ty.shape.first() == Some(&Dim::Tokens)
            && ty.dtype != DType::U32
            && self.places[self.resolve(id).0.index()] != Place::Source;
        if counted { ty.shape[1..].iter().map(|d| d.of(&self.class) as u64).product() } else { 0 }
    }
}

/// Cost of one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepCost {
    /// Name of the op, or `region`.
    pub name: &'static str,
    /// Scope path of its last node.
    pub path: String,
    /// Floating-point operations at the plan's class.
    pub flops: u64,
    /// Bytes read and written, each operand and result once.
    pub bytes: u64,
    /// Activation values per token read and written.
    pub activation_width: u64,
}
