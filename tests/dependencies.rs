//! Which crate may use which: the layers of ARCHITECTURE.md, and the licences of what they bring.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::house::metadata;

/// Direct dependencies of each workspace member, those of its tests left out.
fn direct(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let members: BTreeSet<&str> = metadata["workspace_members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m.as_str().unwrap())
        .collect();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .filter(|p| members.contains(p["id"].as_str().unwrap()))
        .map(|p| {
            let all = p["dependencies"].as_array().unwrap().iter();
            let normal = all.filter(|d| d["kind"].is_null());
            let names = normal.map(|d| d["name"].as_str().unwrap().to_string());
            (p["name"].as_str().unwrap().to_string(), names.collect())
        })
        .collect()
}

/// Everything a member uses, through the workspace's own crates.
fn through(direct: &BTreeMap<String, BTreeSet<String>>, name: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut open = vec![name.to_string()];
    while let Some(next) = open.pop() {
        for dependency in direct.get(&next).into_iter().flatten() {
            if all.insert(dependency.clone()) {
                open.push(dependency.clone());
            }
        }
    }
    all
}

#[test]
fn layers_hold() {
    let direct = direct(&metadata());
    // Nobody of the list is used by the crate, directly or through another of ours.
    let never: [(&str, &[&str]); 6] = [
        ("m2-ir", &["wgpu", "naga", "tokenizers", "safetensors", "m2-cpu", "m2-nn", "m2-wgpu"]),
        ("m2-cpu", &["wgpu", "tokenizers", "m2-nn", "m2-wgpu", "m2-data", "m2"]),
        ("m2-nn", &["wgpu", "tokenizers", "m2-cpu", "m2-wgpu", "m2-data", "m2"]),
        ("m2-wgpu", &["tokenizers", "m2-cpu", "m2-nn", "m2-data", "m2"]),
        ("m2-data", &["wgpu", "m2-cpu", "m2-wgpu", "m2"]),
        ("m2", &["clap", "indicatif", "m2-cli", "m2-web"]),
    ];
    for (name, forbidden) in never {
        assert!(direct.contains_key(name), "there is no crate {name}");
        let used = through(&direct, name);
        for bad in forbidden {
            assert!(!used.contains(*bad), "{name} must not use {bad}");
        }
    }
}

#[test]
fn the_graph_needs_next_to_nothing() {
    let direct = direct(&metadata());
    let allowed = BTreeSet::from(["bytemuck".to_string(), "thiserror".to_string()]);
    assert!(direct["m2-ir"].is_subset(&allowed), "{:?}", direct["m2-ir"]);
}

#[test]
fn terminals_and_arguments_are_the_commands_own() {
    let direct = direct(&metadata());
    for (name, used) in direct.iter().filter(|(n, _)| *n != "m2-cli") {
        for only in ["clap", "indicatif", "ctrlc", "anyhow"] {
            assert!(!used.contains(only) || name == "xtask", "{name} uses {only}");
        }
    }
}

/// The network is behind a feature.
#[test]
fn the_hub_is_optional() {
    let metadata = metadata();
    let m2 = metadata["packages"].as_array().unwrap().iter().find(|p| p["name"] == "m2").unwrap();
    let ureq = m2["dependencies"].as_array().unwrap().iter().find(|d| d["name"] == "ureq").unwrap();
    assert_eq!(ureq["optional"], true);
    let default = m2["features"]["default"].as_array().cloned().unwrap_or_default();
    assert!(!default.iter().any(|f| f == "hub"));
}

/// Licences that may come with the product, each compatible with MIT OR Apache-2.0.
const LICENCES: [&str; 15] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// Whether an SPDX expression can be met by the list: OR binds weaker than AND.
fn allowed(expression: &str) -> bool {
    let mut depth = 0;
    let words = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = words.split_whitespace().collect();
    for split in ["OR", "AND"] {
        let mut parts: Vec<Vec<&str>> = vec![Vec::new()];
        for word in &words {
            match *word {
                "(" => depth += 1,
                ")" => depth -= 1,
                _ => {}
            }
            if depth == 0 && *word == split {
                parts.push(Vec::new());
            } else if let Some(part) = parts.last_mut() {
                part.push(word);
            }
        }
        if parts.len() > 1 {
            let mut each = parts.iter().map(|p| allowed(&p.join(" ")));
            return if split == "OR" { each.any(|a| a) } else { each.all(|a| a) };
        }
    }
    match &words[..] {
        ["(", inner @ .., ")"] => allowed(&inner.join(" ")),
        words => LICENCES.contains(&words.join(" ").as_str()),
    }
}

#[test]
fn expressions_are_read() {
    for good in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR GPL-2.0) AND Unicode-3.0"] {
        assert!(allowed(good), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT AND GPL-2.0) OR AGPL-3.0", ""] {
        assert!(!allowed(bad), "{bad}");
    }
}

#[test]
fn licences_are_listed() {
    let metadata = metadata();
    let mut bad = Vec::new();
    for p in metadata["packages"].as_array().unwrap() {
        let licence = p["license"].as_str().unwrap_or_default();
        if !allowed(licence) {
            bad.push(format!("{} {}: {licence:?}", p["name"], p["version"]));
        }
    }
    assert!(bad.is_empty(), "licences not listed:\n{}", bad.join("\n"));
}
