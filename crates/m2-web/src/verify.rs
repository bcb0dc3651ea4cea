//! Golden folders, verified on the browser's device.

use std::sync::Arc;

use crate::device::open;
use m2::{
    Device, Error,
    files::safetensors::{FiniteCheck, LoadOptions, Safetensors},
    verify::{Arithmetic, Golden, Line, Report, Tensors, measured_errors},
};
use serde_json::{Value, json};
use wasm_bindgen::prelude::wasm_bindgen;

/// Compares a model's values with those the public reference computed.
///
/// `config`, `model` and `io` are the contents of a golden folder's `config.json`,
/// `model.safetensors` and `io.safetensors`; `errors` is the tree's `manifest.json` and `folder`
/// the folder's name in it, or both are empty. `device` is `gpu` or `cpu`.
///
/// Resolves to the report as JSON: `{passed, device, compared, outputs, lines: [{name, plan,
/// error, limit, passed}], excepted, unknown}`.
///
/// # Errors
/// With a message when the folder cannot be used, or the device is missing or fails.
#[wasm_bindgen]
pub async fn verify(
    config: String,
    model: Vec<u8>,
    io: Vec<u8>,
    errors: String,
    folder: String,
    device: String,
) -> Result<String, String> {
    let device = open(&device).await?;
    run(&config, model, io, &errors, &folder, &device)
        .await
        .map(|report| to_json(&report, &device).to_string())
        .map_err(|e| e.to_string())
}

async fn run(
    config: &str,
    model: Vec<u8>,
    io: Vec<u8>,
    errors: &str,
    folder: &str,
    device: &Device,
) -> Result<Report, Error> {
    let model = tensors("model.safetensors", model, FiniteCheck::All)?;
    let io = tensors("io.safetensors", io, FiniteCheck::Never)?;
    let mut golden = Golden::new(config, model, io)?;
    if !errors.is_empty() {
        golden.err_abs = measured_errors(errors, folder)?;
    }
    golden.verify(Arithmetic::F32(device), &[]).await
}

fn tensors(name: &str, bytes: Vec<u8>, finite: FiniteCheck) -> Result<Tensors, Error> {
    let options = LoadOptions { finite, ..LoadOptions::default() };
    Ok(Safetensors::from_bytes(name, Arc::new(bytes))?.load_all(&options)?)
}

fn to_json(report: &Report, device: &Device) -> Value {
    let line = |l: &Line| {
        json!({
            "name": l.name, "plan": l.plan(), "error": l.error, "limit": l.limit,
            "passed": l.passed(),
        })
    };
    json!({
        "passed": report.passed(),
        "device": device.to_string(),
        "compared": report.compared(),
        "outputs": report.outputs(),
        "lines": report.lines.iter().map(line).collect::<Vec<_>>(),
        "excepted": report.excepted,
        "unknown": report.unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(device: &str, spoil: bool) -> Result<Value, String> {
        let tree = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/m2bert/");
        let read = |name: &str| std::fs::read(format!("{tree}{name}")).expect("golden file");
        let folder = "m2_h64_l2_s32";
        let text = |name: &str| String::from_utf8(read(name)).expect("text");
        let mut io = read(&format!("{folder}/io.safetensors"));
        if spoil {
            io.truncate(io.len() - 4);
        }
        let report = pollster::block_on(verify(
            text(&format!("{folder}/config.json")),
            read(&format!("{folder}/model.safetensors")),
            io,
            text("manifest.json"),
            folder.into(),
            device.into(),
        ))?;
        Ok(serde_json::from_str(&report).expect("JSON"))
    }

    #[test]
    fn golden_bytes_pass() {
        let report = golden("cpu", false).expect("a report");
        assert_eq!(report["passed"], true, "{report:#}");
        assert_eq!(report["compared"], report["outputs"]);
        assert!(report["compared"].as_u64() > Some(10));
    }

    #[test]
    fn bad_input_is_a_message() {
        let truncated = golden("cpu", true).expect_err("truncated");
        assert!(truncated.contains("io.safetensors"), "{truncated}");
        assert!(golden("tpu", false).expect_err("no such device").contains("tpu"));
    }
}
