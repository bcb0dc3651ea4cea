//! The graph of an M2 model, and everything that can be known about it without running it.
//!
//! A model is a function that builds a [`Graph`] through a [`Builder`]; passes turn it into an
//! equal, cheaper one; [`lower`](plan::lower) makes a [`Plan`] of it for a [`Target`]; a
//! [`Backend`] loads and runs plans. Nothing here knows a GPU, a file, a clock or a thread.

mod backend;
mod dtype;
mod error;
mod expr;
mod graph;
mod host;
mod op;
pub mod ops;
pub mod passes;
pub mod plan;
mod print;
mod rows;
mod shape;
pub mod svg;
mod target;
mod verify;

pub use backend::{Backend, Batch, BatchError, IDS, POSITIONS, Parameters, TOKEN_TYPES, Text};
pub use dtype::DType;
pub use error::{Error, Operands};
pub use expr::{Binary, Expr, Inst, Unary};
pub use graph::{Builder, Graph, Node, NodeId};
pub use host::{HostTensor, HostTensorError, bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16};
pub use op::{Locality, Op, Rule};
pub use plan::Plan;
pub use rows::{ROW_ALIGN, Row, RowError, RowTable};
pub use shape::{Dim, Sizes, Type};
pub use target::{Kind, Layout, Target};
