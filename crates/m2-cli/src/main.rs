//! The command `m2`: arguments in, library calls, text out.

mod args;
mod commands;
mod exit;
mod interrupt;
mod progress;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    exit::code(commands::run(args))
}
