//! Arguments as they are typed; what they mean is for the commands.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Monarch Mixer models: embed, search, fill masks, classify, on any machine.
#[derive(Debug, Parser)]
#[command(name = "m2", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Args {
    /// Threads of the CPU; 0 takes all there are.
    #[arg(long, global = true, default_value_t = 0, env = "M2_THREADS")]
    pub threads: usize,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Verify(Verify),
}

/// Compare a model's values with those the public reference computed.
///
/// The folder holds config.json, model.safetensors and io.safetensors; io_f64.safetensors and
/// ../manifest.json are used where they are there. Exit code 1 when a tensor differs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  m2 verify tests/golden/m2bert/m2_h64_l2_s32\n  \
                        m2 verify tests/golden/m2bert/m2_h64_l2_s32 --dtype f64")]
pub struct Verify {
    /// The golden folder.
    pub folder: PathBuf,
    /// Where to run.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Arithmetic: f32 against io.safetensors, or f64 (CPU only) against io_f64.safetensors.
    #[arg(long, value_enum, default_value = "f32")]
    pub dtype: VerifyDType,
    /// Leave out this tensor; may be repeated.
    #[arg(long)]
    pub skip: Vec<String>,
}

/// Arithmetic of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VerifyDType {
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}
