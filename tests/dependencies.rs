//! Which crate may use which: the layers of ARCHITECTURE.md.

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
