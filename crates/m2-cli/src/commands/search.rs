//! `m2 search`

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use m2::{
    Encoder,
    files::cache::Locations,
    index::{Hit, Index, Mode, Update},
};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    args::{Args, Search, SearchMode},
    exit::Outcome,
    interrupt, progress,
};

pub fn run(args: &Args, a: &Search) -> anyhow::Result<Outcome> {
    let docs =
        a.docs.canonicalize().with_context(|| format!("cannot open {}", a.docs.display()))?;
    let mut encoder = super::model::encoder(args, &a.model, &a.vectors, false)?;
    let prompts = encoder.model().settings().prompts.clone();
    let of_documents = ["document", "passage"].into_iter().find(|p| prompts.contains_key(*p));
    if let Some(name) = of_documents {
        encoder.set_prompt(Some(name))?;
    } else if a.vectors.prompt_name.is_some() {
        encoder.set_prompt(None)?;
    }
    let path = a.index.clone().unwrap_or_else(|| default_index(&docs));
    let mut index = Index::open(&path, &encoder, a.rebuild)?;
    interrupt::catch();
    let update = bring_up_to_date(&mut index, &docs, &mut encoder)?;
    if update.stopped {
        return Ok(Outcome::Interrupted);
    }
    let own = if prompts.contains_key("query") { Some("query") } else { None };
    if let Some(name) = a.vectors.prompt_name.as_deref().or(own) {
        encoder.set_prompt(Some(name))?;
    }
    let mode = match a.mode {
        SearchMode::Hybrid => Mode::Hybrid,
        SearchMode::Vector => Mode::Vector,
        SearchMode::Keyword => Mode::Keyword,
    };
    let hits = index.search(&mut encoder, &a.query, mode, a.top)?;
    let mut out = io::stdout().lock();
    if a.json {
        let hits: Vec<_> = hits.iter().map(to_json).collect();
        let (documents, chunks) = index.counts()?;
        let index = path.display().to_string();
        let answer = json!({
            "query": a.query, "documents": documents, "chunks": chunks, "index": index,
            "hits": hits,
        });
        writeln!(out, "{answer}")?;
    } else {
        for (i, hit) in hits.iter().enumerate() {
            writeln!(out, "{}. {}  {:.3}\n   {}", i + 1, hit.path, hit.score, hit.snippet)?;
        }
    }
    Ok(if hits.is_empty() { Outcome::No } else { Outcome::Done })
}

fn bring_up_to_date(
    index: &mut Index,
    docs: &Path,
    encoder: &mut Encoder,
) -> anyhow::Result<Update> {
    let bar = progress::bar(Some(0), "documents");
    let update = index.update(docs, encoder, &mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        !interrupt::asked()
    })?;
    bar.finish_and_clear();
    for skipped in &update.skipped {
        eprintln!("m2: {} is left out: {}", skipped.path, skipped.why);
    }
    Ok(update)
}

fn to_json(hit: &Hit) -> serde_json::Value {
    json!({
        "path": hit.path, "score": hit.score, "similarity": hit.similarity, "bm25": hit.bm25,
        "start": hit.start, "end": hit.end, "snippet": hit.snippet,
    })
}

/// The folder of indexes.
pub fn indexes(locations: &Locations) -> PathBuf {
    locations.cache.join("indexes")
}

/// One index a documents' folder, named after it.
fn default_index(docs: &Path) -> PathBuf {
    let digest = Sha256::digest(docs.as_os_str().as_encoded_bytes());
    let hash: String = digest.iter().take(6).map(|b| format!("{b:02x}")).collect();
    let name = docs.file_name().unwrap_or_default().to_string_lossy().into_owned();
    indexes(&Locations::from_env()).join(format!("{name}-{hash}.sqlite"))
}
