//! `cargo xtask`: every chore of this repository.

mod chores;
mod licence;
mod machine;
mod report;
mod setup;
mod shell;
mod tidy;
mod web;

use std::process::ExitCode;

use anyhow::{Result, bail};

/// Something to do, by name.
struct Chore {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const CHORES: &[Chore] = &[
    Chore { name: "setup", about: "install what building and testing need", run: setup::chore },
    Chore {
        name: "test",
        about: "everything, from nothing: the command of README.md and of CI",
        run: chores::test,
    },
    Chore { name: "fmt", about: "check the formatting", run: chores::fmt },
    Chore { name: "clippy", about: "check the lints", run: chores::clippy },
    Chore { name: "doc", about: "build the documentation without warnings", run: chores::doc },
    Chore {
        name: "tidy",
        about: "check sources, licences and sizes; list what grew too big",
        run: tidy::chore,
    },
    Chore {
        name: "gpu",
        about: "run the GPU tests on each software Vulkan driver",
        run: chores::gpu,
    },
    Chore { name: "web", about: "build web/pkg, the library for browsers", run: web::build_chore },
    Chore {
        name: "browser",
        about: "verify golden models through WebGPU in headless Chromium",
        run: web::browser_chore,
    },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("xtask: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let Some((name, rest)) = args.split_first() else {
        println!("cargo xtask CHORE\n");
        for c in CHORES {
            println!("  {:<9} {}", c.name, c.about);
        }
        return Ok(());
    };
    match CHORES.iter().find(|c| c.name == name) {
        Some(chore) => (chore.run)(rest),
        None => bail!("there is no chore {name}; `cargo xtask` lists them"),
    }
}
