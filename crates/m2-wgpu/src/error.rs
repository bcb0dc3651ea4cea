//! What can go wrong on a GPU.

use m2_ir::BatchError;

/// An error of the GPU backend.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No adapter fits the choice.
    #[error("no GPU adapter {wanted}; found: {}", if .found.is_empty() { "none".into() } else { .found.join(", ") })]
    NoAdapter {
        /// What was asked for.
        wanted: String,
        /// Names of the adapters that are there.
        found: Vec<String>,
    },
    /// The adapter gives no device.
    #[error("the adapter {adapter} gives no device: {message}")]
    NoDevice {
        /// Name of the adapter.
        adapter: String,
        /// What the driver says.
        message: String,
    },
    /// Something is larger than the device allows.
    #[error("{what} needs {needed}, the device allows {available}; {hint}")]
    Limit {
        /// What is too large, with its unit.
        what: String,
        /// How much is needed.
        needed: u64,
        /// How much the device allows.
        available: u64,
        /// What to change.
        hint: &'static str,
    },
    /// The device has no memory left.
    #[error(
        "the GPU is out of memory ({0}); use a smaller batch, shorter texts or a smaller model"
    )]
    OutOfMemory(String),
    /// The device is gone: driver reset, unplugged, or destroyed.
    #[error("the GPU device is lost ({0}); load the model again")]
    DeviceLost(String),
    /// The driver refuses what this library asked for.
    #[error("the GPU refuses a command: {0}; please report it")]
    Validation(String),
    /// A kernel does not compile.
    #[error("kernel {kernel} does not compile: {message}; please report it")]
    Shader {
        /// Name of the kernel and its constants.
        kernel: String,
        /// What the compiler says, with the WGSL line.
        message: String,
    },
    /// The device cannot tell the time.
    #[error("the GPU has no timestamps; dispatches cannot be timed one by one")]
    NoClock,
    /// A weight is missing.
    #[error("weight {name} is missing; expected shape {expected:?}")]
    MissingParameter {
        /// Name of the weight.
        name: String,
        /// Shape that the graph declares.
        expected: Vec<usize>,
    },
    /// A weight has another shape than the graph declares.
    #[error("weight {name}: expected shape {expected:?}, found {found:?}")]
    ParameterShape {
        /// Name of the weight.
        name: String,
        /// Shape that the graph declares.
        expected: Vec<usize>,
        /// Shape of the tensor.
        found: Vec<usize>,
    },
    /// A batch does not fit the plan.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// No kernel for this form of an op.
    #[error("{path}: the GPU has no kernel for {op} {what}")]
    Unsupported {
        /// Name of the node.
        path: String,
        /// Name of the op.
        op: &'static str,
        /// Which form of it.
        what: String,
    },
    /// The plan was made for another kind of device.
    #[error("the plan is for the target '{0}', not for a GPU; lower the graph for this device")]
    Plan(String),
    /// As many runs are in flight as there are buffers to read them from.
    #[error(
        "{runs} runs of the plan are in flight, which is all it may have; read one and drop it"
    )]
    InFlight {
        /// How many.
        runs: usize,
    },
    /// There is no such output, or the program has not run yet.
    #[error("output {index} cannot be read: {why}")]
    Output {
        /// Index of the output.
        index: usize,
        /// What is wrong.
        why: &'static str,
    },
}
