//! Arguments of `m2 bench op`.

use clap::ValueEnum;

use super::Kernels;

/// Time one op alone, beside what the machine can do at most.
///
/// The op runs on random data through the device's backend, many times between two waits, without
/// uploads. Operations are those of the true shape; bytes are each operand and result once. The
/// ceilings are measured in the same run: an elementwise op over 64 MiB, and a loop of multiply-adds
/// in registers.
///
/// Ops and the numbers of their shapes: matmul T,K,N; matmul_nn T,K,N; matmul_tn T,M,N;
/// block_diag_matmul and glu T,blocks,K,N; monarch T,k,q,p,l,s,r; layer_norm, softmax, elementwise
/// T,H; gather T,V,H; gather_rows T,H,Q; pool_rows, short_conv, long_conv, sequence_mixer R,L,H;
/// conv_spectrum L,H; attention R,L,heads,d.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    m2 bench op matmul --shape 128,768,2304 --epilogue bias --check\n  \
    m2 bench op glu --shape 512,4,192,1536 --epilogue bias --device gpu --json\n  \
    m2 bench op matmul --shape 512,512,512 --device gpu --variant rows8\n  \
    m2 bench op sequence_mixer --shape 1,4096,768\n  \
    m2 bench op matmul --suite --device gpu")]
pub struct BenchOp {
    /// The op.
    pub op: String,
    /// Its shape: numbers separated by commas.
    #[arg(long, value_delimiter = ',', required_unless_present = "suite")]
    pub shape: Vec<usize>,
    /// What a product does to its result in the same dispatch.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub epilogue: Vec<BenchEpilogue>,
    /// Compute epilogues and composite ops as dispatches of their own.
    #[arg(long)]
    pub unfused: bool,
    /// Which kernels compute.
    #[command(flatten)]
    pub kernels: Kernels,
    /// Compare with plain float64 first, on fewer tokens where there are many.
    #[arg(long)]
    pub check: bool,
    /// Products of several shapes against `rows8` followed by the epilogue, on a GPU.
    #[arg(long, conflicts_with_all = ["shape", "epilogue", "check", "variant"])]
    pub suite: bool,
    /// Rounds that are timed.
    #[arg(long, default_value_t = 9)]
    pub rounds: usize,
    /// Where to run.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Parts of an epilogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchEpilogue {
    /// Add a bias.
    Bias,
    /// Exact GELU.
    Gelu,
    /// tanh
    Tanh,
    /// Multiply the activated first half with the second.
    Glu,
    /// Add a tensor of the result's shape.
    Residual,
}
