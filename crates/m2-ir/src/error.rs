//! What can be wrong with a graph or a plan.

use std::fmt;

/// A graph or plan that cannot be built.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Operands do not fit an op.
    #[error("{path}: {op} {problem} (operands: {operands})")]
    Shape {
        /// Scope path of the node, as in `layer.0.mlp/up`.
        path: String,
        /// Name of the op.
        op: &'static str,
        /// What does not fit, with found and expected.
        problem: String,
        /// The operands with their types.
        operands: Operands,
    },
    /// A plan needs more than the target has.
    #[error("{what} needs {needed} bytes, the device allows {available}; {hint}")]
    Limit {
        /// What is too large.
        what: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes available.
        available: u64,
        /// What to change.
        hint: &'static str,
    },
    /// An internal rule was broken: a mistake in this library, never in its input.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

/// Names and types of an op's operands, for messages.
#[derive(Debug, Clone, Default)]
pub struct Operands(pub Vec<(String, String)>);

impl fmt::Display for Operands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, ty)) in self.0.iter().enumerate() {
            write!(f, "{}{name} {ty}", if i > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}
