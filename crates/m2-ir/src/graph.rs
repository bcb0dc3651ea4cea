//! The graph: append-only data, built through [`Builder`].

use std::fmt;

use crate::{DType, Dim, Error, Op, Type, error::Operands};

/// Index of a node in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    /// As an index into [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

/// One value and how it is computed.
#[derive(Clone, Debug)]
pub struct Node {
    /// The operation.
    pub op: Op,
    /// Operands, all with smaller ids.
    pub inputs: Vec<NodeId>,
    /// Shape and element type of the result.
    pub ty: Type,
    /// Scope path, as in `layer.0.mixer`; parts of a decomposed op follow after a slash.
    pub name: String,
}

/// A computation: nodes in topological order, and the named ones that are wanted.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    outputs: Vec<(String, NodeId)>,
}

impl Graph {
    /// All nodes in topological order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Ids and nodes in topological order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(i, n)| (NodeId(i as u32), n))
    }

    /// Wanted values and their names.
    pub fn outputs(&self) -> &[(String, NodeId)] {
        &self.outputs
    }

    /// The last node with this name, if any.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.iter().rev().find(|(_, n)| n.name == name).map(|(id, _)| id)
    }

    /// The same graph with other wanted values.
    ///
    /// # Errors
    /// Returns the first name that no node has.
    pub fn with_outputs<S: AsRef<str>>(&self, names: &[S]) -> Result<Graph, String> {
        let outputs = names
            .iter()
            .map(|n| {
                let n = n.as_ref();
                self.find(n).map(|id| (n.to_string(), id)).ok_or_else(|| n.to_string())
            })
            .collect::<Result<_, _>>()?;
        Ok(Graph { nodes: self.nodes.clone(), outputs })
    }

    /// How many nodes and outputs read each node.
    pub fn uses(&self) -> Vec<u32> {
        let mut uses = vec![0; self.nodes.len()];
        for n in &self.nodes {
            for i in &n.inputs {
                uses[i.index()] += 1;
            }
        }
        for (_, id) in &self.outputs {
            uses[id.index()] += 1;
        }
        uses
    }
}

/// Builds a graph, checking every op's operands as it is added.
#[derive(Debug, Default)]
pub struct Builder {
    graph: Graph,
    scope: Vec<String>,
}

impl Builder {
    /// An empty graph.
    pub fn new() -> Self {
        Builder::default()
    }

    /// Runs `f` with `name` appended to the scope path.
    pub fn scope<T>(&mut self, name: impl fmt::Display, f: impl FnOnce(&mut Self) -> T) -> T {
        self.scope.push(name.to_string());
        let out = f(self);
        self.scope.pop();
        out
    }

    /// Adds an op under the current scope path.
    ///
    /// # Errors
    /// When the operands do not fit: the error names op, path and operands.
    pub fn add(&mut self, op: impl Into<Op>, inputs: &[NodeId]) -> Result<NodeId, Error> {
        let name = self.scope.join(".");
        self.push(op.into(), inputs, name)
    }

    /// Adds an op named by the scope path and `part`.
    ///
    /// # Errors
    /// As [`Builder::add`].
    pub fn named(
        &mut self,
        part: &str,
        op: impl Into<Op>,
        inputs: &[NodeId],
    ) -> Result<NodeId, Error> {
        let name =
            self.scope.iter().map(String::as_str).chain([part]).collect::<Vec<_>>().join(".");
        self.push(op.into(), inputs, name)
    }

    /// Adds an op under a full name, as passes do.
    pub(crate) fn push(
        &mut self,
        op: Op,
        inputs: &[NodeId],
        name: String,
    ) -> Result<NodeId, Error> {
        let types: Vec<&Type> = inputs.iter().map(|i| &self.graph.node(*i).ty).collect();
        let ty = op.rule().infer(&types).map_err(|problem| Error::Shape {
            path: name.clone(),
            op: op.name(),
            problem,
            operands: Operands(
                inputs
                    .iter()
                    .map(|i| {
                        let n = self.graph.node(*i);
                        (
                            if n.name.is_empty() { i.to_string() } else { n.name.clone() },
                            n.ty.to_string(),
                        )
                    })
                    .collect(),
            ),
        })?;
        self.graph.nodes.push(Node { op, inputs: inputs.to_vec(), ty, name });
        Ok(NodeId(self.graph.nodes.len() as u32 - 1))
    }

    /// A weight of the checkpoint, by its full name and shape.
    pub fn param(&mut self, name: impl Into<String>, shape: &[usize]) -> NodeId {
        let name = name.into();
        let ty = Type::f32(shape.iter().map(|&n| Dim::Fixed(n)));
        self.source(Op::Param, name, ty)
    }

    /// A value that every run supplies, by its name.
    pub fn input(
        &mut self,
        name: &str,
        shape: impl IntoIterator<Item = Dim>,
        dtype: DType,
    ) -> NodeId {
        self.source(Op::Input, name.into(), Type::new(shape, dtype))
    }

    /// One node for one name: asking twice for a tied weight gives the same node.
    fn source(&mut self, op: Op, name: String, ty: Type) -> NodeId {
        let same = |n: &Node| n.name == name && n.ty == ty && n.op.is_source();
        if let Some(i) = self.graph.nodes.iter().position(same) {
            return NodeId(i as u32);
        }
        self.graph.nodes.push(Node { op, inputs: Vec::new(), ty, name });
        NodeId(self.graph.nodes.len() as u32 - 1)
    }

    /// Copies a node of another graph, its inputs already translated.
    pub(crate) fn copy(&mut self, node: &Node, inputs: &[NodeId]) -> Result<NodeId, Error> {
        if node.op.is_source() {
            return Ok(self.source(node.op.clone(), node.name.clone(), node.ty.clone()));
        }
        self.push(node.op.clone(), inputs, node.name.clone())
    }

    /// The node added under this id so far.
    pub fn node(&self, id: NodeId) -> &Node {
        self.graph.node(id)
    }

    /// Gives a node another name.
    pub fn rename(&mut self, id: NodeId, name: String) {
        self.graph.nodes[id.index()].name = name;
    }

    /// Marks a value as wanted.
    pub fn output(&mut self, name: impl Into<String>, id: NodeId) {
        self.graph.outputs.push((name.into(), id));
    }

    /// The finished graph.
    pub fn finish(self) -> Graph {
        self.graph
    }
}
