//! Finding and opening models, as the commands' options say.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
};

use anyhow::bail;
use m2::{
    Encoder, EncoderOptions, Error, Model, OpenOptions, TextOptions,
    files::{cache::Locations, packages},
};

use crate::args::{Args, ModelArgs, VectorArgs};

/// The folder of the model that the options name; it is fetched where the user agrees.
pub fn folder(a: &ModelArgs) -> anyhow::Result<PathBuf> {
    let locations = Locations::from_env();
    let missing = match m2::locate(&a.model, &locations) {
        Err(Error::NoModel { name }) => name,
        found => return Ok(found?),
    };
    let Some(package) = packages::find(&missing) else {
        return Err(Error::NoModel { name: missing }.into());
    };
    let (name, megabytes) = (package.name, package.download_bytes.div_ceil(1_000_000));
    let line = format!("m2 pull {name}");
    if a.offline || locations.offline {
        bail!("{name} is not on this machine, and nothing may be fetched; run `{line}` online");
    }
    if !a.yes && !agreed(&format!("{name} is not on this machine. Fetch it ({megabytes} MB)?"))? {
        bail!("{name} is not on this machine; run `{line}`, or say --yes");
    }
    super::pull::fetch(&missing, None, &locations)
}

/// Asks at a terminal; elsewhere the answer is no.
fn agreed(question: &str) -> io::Result<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(false);
    }
    eprint!("{question} [Y/n] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer)?;
    let answer = answer.trim().to_ascii_lowercase();
    Ok(read > 0 && matches!(answer.as_str(), "" | "y" | "yes"))
}

/// Opens the model that the options name.
pub fn open(args: &Args, a: &ModelArgs, strict: bool) -> anyhow::Result<Model> {
    let folder = folder(a)?;
    let device = super::device::open(args, &a.device)?;
    Ok(Model::open(&folder, device, OpenOptions { strict })?)
}

/// Opens the model as an encoder and prints its warnings.
pub fn encoder(
    args: &Args,
    a: &ModelArgs,
    v: &VectorArgs,
    strict: bool,
) -> anyhow::Result<Encoder> {
    let encoder = Encoder::new(open(args, a, strict)?, options(v, strict))?;
    for warning in encoder.warnings() {
        eprintln!("m2: {warning}");
    }
    Ok(encoder)
}

/// The library's options for those of the command line.
pub fn options(v: &VectorArgs, strict: bool) -> EncoderOptions {
    EncoderOptions {
        pooling: v.pooling.map(Into::into),
        normalize: v.normalize.then_some(true),
        prompt_name: v.prompt_name.clone(),
        text: TextOptions { padding: v.pad, max_length: v.max_length, strict },
        batch_rows: v.batch_size.into(),
        batch_tokens: 0,
    }
}
