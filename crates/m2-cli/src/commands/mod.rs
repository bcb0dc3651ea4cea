//! One file a command.

mod bench;
mod bench_op;
mod cache;
mod classify;
mod convert;
mod device;
mod embed;
mod fill;
mod graph;
mod info;
mod init;
mod inspect;
mod model;
#[cfg(feature = "gpu")]
mod predict;
mod pull;
mod search;
mod text;
mod verify;
mod verify_vectors;

use crate::{
    args::{Args, Command},
    exit::Outcome,
};

/// Runs a command.
pub fn run(args: Args) -> anyhow::Result<Outcome> {
    match &args.command {
        Command::Embed(a) => embed::run(&args, a),
        Command::Search(a) => search::run(&args, a),
        Command::Fill(a) => fill::run(&args, a),
        Command::Classify(a) => classify::run(&args, a),
        Command::Inspect(a) => inspect::run(a),
        Command::Verify(a) => verify::run(&args, a),
        Command::Init(a) => init::run(&args, a),
        Command::Convert(a) => convert::run(a),
        Command::Pull(a) => pull::run(a),
        Command::Cache(a) => cache::run(a),
        Command::Graph(a) => graph::run(&args, a),
        Command::Bench(a) => bench::run(&args, a),
        Command::Info(a) => info::info(&args, a),
        Command::Doctor => info::doctor(&args),
        Command::Completions(a) => text::completions(a),
        Command::Man(a) => text::man(a),
    }
}

/// The optional parts that this binary has.
fn features() -> Vec<&'static str> {
    let all = [("gpu", cfg!(feature = "gpu")), ("hub", cfg!(feature = "hub"))];
    all.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect()
}
