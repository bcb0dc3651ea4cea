//! Licences of everything that is compiled in: each must be on the list of `deny.toml`.

use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell::{cargo, output, root};

/// Complaints about packages whose licence is not on the list.
pub fn check() -> Result<Vec<String>> {
    let allowed = allowed()?;
    let metadata = output(&mut cargo(&["metadata", "--format-version=1", "--all-features"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
    let packages = metadata["packages"].as_array().context("cargo metadata: no packages")?;
    let mut complaints = Vec::new();
    for p in packages {
        let name = format!("{} {}", p["name"], p["version"]).replace('"', "");
        match p["license"].as_str() {
            None => complaints.push(format!("{name}: states no licence")),
            Some(l) if !permits(l, &allowed) => {
                complaints.push(format!("{name}: {l} is not among the licences of deny.toml"));
            }
            Some(_) => {}
        }
    }
    Ok(complaints)
}

/// The list in `deny.toml`.
fn allowed() -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join("deny.toml")).context("deny.toml")?;
    let list = text
        .split_once("\nallow = [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .context("deny.toml: no list `allow = [ … ]` of licences")?
        .0;
    let names: Vec<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    if names.is_empty() {
        bail!("deny.toml: the list of licences is empty");
    }
    Ok(names)
}

/// Whether a licence expression can be met with the allowed licences alone.
fn permits(expression: &str, allowed: &[String]) -> bool {
    // Old manifests write `A/B` for a choice.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let met = either(&mut rest, allowed);
    met == Some(true) && rest.is_empty()
}

/// `A OR B …`; None where the text is no expression.
fn either(rest: &mut &[&str], allowed: &[String]) -> Option<bool> {
    let mut met = both(rest, allowed)?;
    while let ["OR", tail @ ..] = *rest {
        *rest = tail;
        met |= both(rest, allowed)?;
    }
    Some(met)
}

/// `A AND B …`
fn both(rest: &mut &[&str], allowed: &[String]) -> Option<bool> {
    let mut met = one(rest, allowed)?;
    while let ["AND", tail @ ..] = *rest {
        *rest = tail;
        met &= one(rest, allowed)?;
    }
    Some(met)
}

/// `A`, `A WITH exception`, or a group in parentheses.
fn one(rest: &mut &[&str], allowed: &[String]) -> Option<bool> {
    let (&word, tail) = rest.split_first()?;
    *rest = tail;
    if word == "(" {
        let met = either(rest, allowed)?;
        let (&close, tail) = rest.split_first()?;
        *rest = tail;
        return (close == ")").then_some(met);
    }
    let mut name = word.to_owned();
    if let ["WITH", exception, tail @ ..] = *rest {
        name = format!("{word} WITH {exception}");
        *rest = tail;
    }
    Some(allowed.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let allowed = ["MIT", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
        for yes in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(permits(yes, &allowed), "{yes}");
        }
        for no in ["GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "(MIT", "MIT )", "OR", ""] {
            assert!(!permits(no, &allowed), "{no}");
        }
    }
}
