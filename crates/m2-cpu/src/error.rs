//! What can go wrong on the CPU.

/// An error of the CPU backend.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A weight or input is missing.
    #[error("tensor {name} is missing; expected shape {expected:?}")]
    Missing {
        /// Name of the tensor.
        name: String,
        /// Its shape.
        expected: Vec<usize>,
    },
    /// A weight or input has another shape.
    #[error("tensor {name}: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// Name of the tensor.
        name: String,
        /// Shape in the graph.
        expected: Vec<usize>,
        /// Shape of the tensor.
        found: Vec<usize>,
    },
    /// The batch does not fit the plan.
    #[error(transparent)]
    Batch(#[from] m2_ir::BatchError),
    /// There is not enough memory.
    #[error(
        "{bytes} bytes of memory for {what} could not be had; use a smaller batch or shorter texts"
    )]
    Memory {
        /// What it was for.
        what: &'static str,
        /// Bytes asked for.
        bytes: usize,
    },
    /// Outputs that are gone.
    #[error("the outputs of a run have been overwritten by a later run; read them before it")]
    Overwritten,
    /// An output that the plan does not have.
    #[error("output {output} was asked for, the plan has {outputs}")]
    Output {
        /// Index asked for.
        output: usize,
        /// Number of outputs.
        outputs: usize,
    },
    /// A product could not be set up.
    #[error(transparent)]
    Product(#[from] crate::gemm::GemmError),
}

impl From<crate::OutOfMemory> for Error {
    fn from(e: crate::OutOfMemory) -> Self {
        Error::Memory { what: "working memory", bytes: e.bytes }
    }
}
