//! What executes plans.

use std::{collections::BTreeMap, fmt};

use crate::{DType, HostTensor, Plan, RowError, RowTable, Sizes, Target};

/// Weights by name.
pub trait Parameters {
    /// The tensor of this name, if there is one. Cheap: tensors share their bytes.
    fn get(&self, name: &str) -> Option<HostTensor>;
}

impl Parameters for BTreeMap<String, HostTensor> {
    fn get(&self, name: &str) -> Option<HostTensor> {
        BTreeMap::get(self, name).cloned()
    }
}

/// The data of one run: rows, and the inputs that the graph names.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    rows: RowTable,
    asked: Vec<u32>,
    inputs: BTreeMap<String, HostTensor>,
}

/// One text of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Text<'a> {
    /// Token ids; all of them are computed.
    pub ids: &'a [u32],
    /// Token types, or none for zeros.
    pub token_types: Option<&'a [u32]>,
    /// The first `valid` ids are text, the rest padding.
    pub valid: usize,
}

/// Name of the token id input, u32 (T).
pub const IDS: &str = "ids";
/// Name of the token type input, u32 (T).
pub const TOKEN_TYPES: &str = "token_types";
/// Name of the position input, u32 (T), counted from each row's start.
pub const POSITIONS: &str = "positions";

impl Batch {
    /// Lays texts end to end; gaps between rows hold id 0 at position 0.
    ///
    /// # Errors
    /// When a text does not fit the row table.
    pub fn from_texts(texts: &[Text<'_>]) -> Result<Self, RowError> {
        let rows = RowTable::new(texts.iter().map(|t| (t.ids.len(), t.valid)))?;
        let (mut ids, mut types, mut positions) =
            (vec![0; rows.tokens()], vec![0; rows.tokens()], vec![0; rows.tokens()]);
        for (text, row) in texts.iter().zip(rows.rows()) {
            let at = row.offset as usize..(row.offset + row.length) as usize;
            ids[at.clone()].copy_from_slice(text.ids);
            if let Some(t) = text.token_types {
                types[at.clone()].copy_from_slice(t);
            }
            for (p, v) in positions[at].iter_mut().zip(0..) {
                *p = v;
            }
        }
        let t = [rows.tokens()];
        Ok(Batch { rows, ..Batch::default() }
            .with_input(IDS, HostTensor::from_u32(&t, &ids))
            .with_input(TOKEN_TYPES, HostTensor::from_u32(&t, &types))
            .with_input(POSITIONS, HostTensor::from_u32(&t, &positions)))
    }

    /// A batch of the given rows without inputs.
    pub fn from_rows(rows: RowTable) -> Self {
        Batch { rows, ..Batch::default() }
    }

    /// Adds or replaces an input.
    pub fn with_input(mut self, name: &str, value: HostTensor) -> Self {
        self.inputs.insert(name.into(), value);
        self
    }

    /// Sets the asked positions: absolute token indices.
    ///
    /// # Errors
    /// When a position is not a token of the batch.
    pub fn with_asked(mut self, asked: Vec<u32>) -> Result<Self, BatchError> {
        if let Some(&p) = asked.iter().find(|&&p| p as usize >= self.rows.tokens()) {
            return Err(BatchError::Asked { position: p, tokens: self.rows.tokens() });
        }
        self.asked = asked;
        Ok(self)
    }

    /// The rows.
    pub fn rows(&self) -> &RowTable {
        &self.rows
    }

    /// The asked positions.
    pub fn asked(&self) -> &[u32] {
        &self.asked
    }

    /// The true sizes; `span` is the longest row.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            tokens: self.rows.tokens(),
            rows: self.rows.rows().len(),
            asked: self.asked.len(),
            span: self.rows.longest(),
        }
    }

    /// The inputs.
    pub fn input(&self, name: &str) -> Option<&HostTensor> {
        self.inputs.get(name)
    }

    /// Checks that a plan can run this batch: sizes within its class, every input there, of the
    /// right type and shape, ids inside their tables.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(&self, plan: &Plan) -> Result<(), BatchError> {
        let (found, class) = (self.sizes(), plan.class);
        if found.tokens > class.tokens
            || found.rows > class.rows
            || found.asked > class.asked
            || found.span > class.span
        {
            return Err(BatchError::Class { found, class });
        }
        let sizes = Sizes { span: class.span, ..found };
        for (id, node) in plan.graph.iter().filter(|(_, n)| n.op == crate::Op::Input) {
            let expected = node.ty.concrete(&sizes);
            let value = self.input(&node.name).ok_or_else(|| BatchError::Missing {
                name: node.name.clone(),
                expected: node.ty.to_string(),
            })?;
            if value.dtype() != node.ty.dtype
                && !(value.dtype().is_float() && node.ty.dtype.is_float())
                || value.shape() != expected
            {
                return Err(BatchError::Input {
                    name: node.name.clone(),
                    expected: format!("{} {expected:?}", node.ty.dtype),
                    found: format!("{} {:?}", value.dtype(), value.shape()),
                });
            }
            if node.ty.dtype == DType::U32 {
                self.check_ids(plan, id, value)?;
            }
        }
        Ok(())
    }

    fn check_ids(
        &self,
        plan: &Plan,
        id: crate::NodeId,
        value: &HostTensor,
    ) -> Result<(), BatchError> {
        let tables = plan
            .graph
            .nodes()
            .iter()
            .filter(|n| matches!(n.op, crate::Op::Gather(_)) && n.inputs.get(1) == Some(&id));
        for table in tables {
            let entries = plan.graph.node(table.inputs[0]).ty.shape[0].of(&plan.class);
            let bad = value
                .bytes()
                .as_chunks::<4>()
                .0
                .iter()
                .position(|b| u32::from_le_bytes(*b) as usize >= entries);
            if let Some(at) = bad {
                let raw = value.bytes().as_chunks::<4>().0[at];
                return Err(BatchError::Id {
                    name: plan.graph.node(id).name.clone(),
                    at,
                    found: u32::from_le_bytes(raw),
                    entries,
                });
            }
        }
        Ok(())
    }
}

/// A batch that a plan cannot run.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// An input is missing.
    #[error("input {name} is missing; expected {expected}")]
    Missing {
        /// Name of the input.
        name: String,
        /// Its type.
        expected: String,
    },
    /// An input has the wrong type or shape.
    #[error("input {name}: expected {expected}, found {found}")]
    Input {
        /// Name of the input.
        name: String,
        /// What the graph declares.
        expected: String,
        /// What was given.
        found: String,
    },
    /// An id lies outside its table.
    #[error("{name}[{at}] is {found}, its table has {entries} entries")]
    Id {
        /// Name of the input.
        name: String,
        /// Index of the token.
        at: usize,
        /// The id.
        found: u32,
        /// Rows of the table.
        entries: usize,
    },
    /// An asked position is no token.
    #[error("asked position {position} is not one of the {tokens} tokens")]
    Asked {
        /// The position.
        position: u32,
        /// Tokens of the batch.
        tokens: usize,
    },
    /// The batch is larger than the class of the plan.
    #[error("a batch of {found:?} does not fit a plan for {class:?}")]
    Class {
        /// Sizes of the batch.
        found: Sizes,
        /// Sizes of the plan.
        class: Sizes,
    },
}

/// A device that loads plans and runs batches.
///
/// Everything is asynchronous, since nothing may block in a browser; native callers block on the
/// futures.
#[expect(async_fn_in_trait, reason = "futures are local: browsers have one thread")]
pub trait Backend {
    /// What can go wrong.
    type Error: std::error::Error + Send + Sync + 'static;
    /// Weights on the device, shared by all programs of a model.
    type Weights;
    /// A plan with everything that running it needs, made once.
    type Program: fmt::Debug;
    /// A run whose outputs can be read.
    type Run: fmt::Debug;

    /// What plans for this device have to respect.
    fn target(&self) -> Target;

    /// An empty store of weights.
    fn weights(&self) -> Self::Weights;

    /// Uploads the weights that are not there yet and prepares the plan; nothing is allocated or
    /// compiled after this.
    ///
    /// # Errors
    /// When a weight is missing or has another shape, or the device has not enough of something.
    async fn load(
        &self,
        plan: Plan,
        params: &dyn Parameters,
        weights: &mut Self::Weights,
    ) -> Result<Self::Program, Self::Error>;

    /// Begins to run one batch: a GPU works on it while the next one is handed over.
    ///
    /// # Errors
    /// When the batch does not fit the plan, too many runs are in flight, or the device fails.
    async fn run(
        &self,
        program: &mut Self::Program,
        batch: &Batch,
    ) -> Result<Self::Run, Self::Error>;

    /// How many runs of a program may be in flight: begun, and not dropped.
    fn in_flight(&self, program: &Self::Program) -> usize;

    /// Reads an output of a run of this program, in the order of the graph's outputs, with true
    /// sizes, in logical row-major layout.
    ///
    /// # Errors
    /// When there is no such output, a later run has overwritten it, or the device fails.
    async fn read(
        &self,
        program: &Self::Program,
        run: &Self::Run,
        output: usize,
    ) -> Result<HostTensor, Self::Error>;
}
