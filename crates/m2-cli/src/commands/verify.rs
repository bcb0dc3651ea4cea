//! `m2 verify`

use std::io::Write;

use anyhow::bail;
use m2::verify::{Arithmetic, Golden};

use crate::{
    args::{Args, Verify, VerifyDType},
    exit::Outcome,
};

pub fn run(args: &Args, a: &Verify) -> anyhow::Result<Outcome> {
    let golden = Golden::open(&a.folder)?;
    for warning in &golden.weights.warnings {
        eprintln!("m2: {warning}");
    }
    let report = match (a.dtype, a.device.as_str()) {
        (VerifyDType::F32, device) => {
            let device = super::device(args, device)?;
            pollster::block_on(golden.verify(Arithmetic::F32(&device), &a.skip))?
        }
        (VerifyDType::F64, "cpu") => pollster::block_on(golden.verify(Arithmetic::F64, &a.skip))?,
        (VerifyDType::F64, other) => bail!("f64 runs on --device cpu only, found {other}"),
    };
    write!(std::io::stdout(), "{report}")?;
    Ok(if report.passed() { Outcome::Done } else { Outcome::No })
}
