//! One file a command.

mod verify;

use anyhow::bail;
use m2::Device;

use crate::{
    args::{Args, Command},
    exit::Outcome,
};

/// Runs a command.
pub fn run(args: Args) -> anyhow::Result<Outcome> {
    match &args.command {
        Command::Verify(a) => verify::run(&args, a),
    }
}

/// The device that `--device` names.
fn device(args: &Args, name: &str) -> anyhow::Result<Device> {
    match name {
        "cpu" => Ok(Device::cpu(args.threads)),
        other => bail!("unknown device {other}; there is cpu"),
    }
}
