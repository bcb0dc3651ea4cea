//! `m2 completions` and `m2 man`: text made of the declarations in `args.rs`.

use std::io::{self, Write};

use anyhow::Context;
use clap::CommandFactory;

use crate::{
    args::{Args, Completions, Man},
    exit::Outcome,
};

pub fn completions(a: &Completions) -> anyhow::Result<Outcome> {
    let mut text = Vec::new();
    clap_complete::generate(a.shell, &mut Args::command(), "m2", &mut text);
    io::stdout().write_all(&text)?;
    Ok(Outcome::Done)
}

pub fn man(a: &Man) -> anyhow::Result<Outcome> {
    match &a.folder {
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .and_then(|()| clap_mangen::generate_to(Args::command(), folder))
                .with_context(|| format!("cannot write to {}", folder.display()))?;
        }
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Args::command()).render(&mut text)?;
            io::stdout().write_all(&text)?;
        }
    }
    Ok(Outcome::Done)
}
