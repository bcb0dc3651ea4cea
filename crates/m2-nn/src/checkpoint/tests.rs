//! Loading golden checkpoints, whole and damaged.

use super::*;
use crate::testing::{golden, read_config, read_tensors};

type Tensors = BTreeMap<String, HostTensor>;

fn models() -> impl Iterator<Item = (ModelConfig, Tensors)> {
    golden()
        .filter(|d| d.join("model.safetensors").exists())
        .map(|d| (read_config(&d), read_tensors(&d.join("model.safetensors"))))
}

fn m2() -> (ModelConfig, Tensors) {
    models().find(|(c, _)| c.architecture == Architecture::M2Bert && c.mixer.bidirectional).unwrap()
}

fn load(config: &ModelConfig, tensors: Tensors) -> Result<Weights, CheckpointError> {
    Checkpoint::new(tensors)?.load(config, LoadOptions { strict: true })
}

const FILTER: &str = "bert.encoder.layer.1.attention.filter_fn";

#[test]
fn every_golden_model_loads_whole() {
    for (config, tensors) in models() {
        let weights = load(&config, tensors.clone()).unwrap();
        weights.check_finite().unwrap();
        for (name, tensor) in &weights.tensors {
            assert_eq!(tensor.bytes(), tensors[name].bytes(), "{name}");
        }
    }
}

#[test]
fn prefixes_and_old_names_are_understood() {
    let (config, tensors) = m2();
    let renamed = tensors.iter().map(|(n, t)| {
        let n = n.replace("LayerNorm.weight", "LayerNorm.gamma");
        (format!("module.model.{}", n.replace("LayerNorm.bias", "LayerNorm.beta")), t.clone())
    });
    let plain = load(&config, tensors.clone()).unwrap();
    let stripped = load(&config, renamed.collect()).unwrap();
    assert!(plain.tensors.keys().eq(stripped.tensors.keys()));

    let mut twice = tensors.clone();
    let name = "bert.embeddings.LayerNorm.bias";
    twice.insert(format!("model.{name}"), tensors[name].clone());
    assert!(matches!(load(&config, twice), Err(CheckpointError::Collision { .. })));
}

#[test]
fn bert_is_taken_without_prefix_and_m2_only_when_asked() {
    let bare = |tensors: Tensors| -> Tensors {
        let strip = |n: String| n.strip_prefix("bert.").map(str::to_owned).unwrap_or(n);
        tensors.into_iter().map(|(n, t)| (strip(n), t)).collect()
    };
    for (config, tensors) in models() {
        let mut checkpoint = Checkpoint::new(bare(tensors)).unwrap();
        let loaded = checkpoint.clone().load(&config, LoadOptions::default());
        match config.architecture {
            Architecture::Bert => drop(loaded.unwrap()),
            _ => {
                let message = loaded.unwrap_err().to_string();
                assert!(message.contains("without the prefix"), "{message}");
            }
        }
        checkpoint.accept_bare_names();
        checkpoint.load(&config, LoadOptions { strict: true }).unwrap();
    }
}

#[test]
fn shared_tensors_must_agree() {
    let (config, tensors) = m2();
    for name in [
        format!("{FILTER}.implicit_filter_rev.3.freq"),
        "cls.predictions.decoder.weight".to_owned(),
    ] {
        let mut changed = tensors.clone();
        let mut values = tensors[&name].to_f32().into_owned();
        values[7] += 1e-6 + values[7].abs() * 1e-6;
        let shape = tensors[&name].shape().to_vec();
        changed.insert(name.clone(), HostTensor::from_f32(&shape, &values));
        let error = load(&config, changed.clone()).unwrap_err();
        assert!(
            matches!(&error, CheckpointError::Alias { second, index: 7, .. } if *second == name),
            "{error}"
        );
        // Any one name is enough.
        changed.remove(&name);
        load(&config, changed).unwrap();
    }
    let mut first_gone = tensors;
    first_gone.remove(&format!("{FILTER}.implicit_filter.1.freq"));
    load(&config, first_gone).unwrap();
}

#[test]
fn tables_are_built_where_absent_and_z_is_not() {
    let (config, tensors) = m2();
    let mut without = tensors.clone();
    without.retain(|n, _| !n.ends_with("pos_emb.t") && !n.ends_with("deltas"));
    let built = load(&config, without).unwrap();
    for (name, tensor) in &built.tensors {
        assert_eq!(tensor.bytes(), tensors[name].bytes(), "{name}");
    }
    let mut without_z = tensors;
    without_z.remove(&format!("{FILTER}.pos_emb.z"));
    let error = load(&config, without_z).unwrap_err();
    assert!(matches!(error, CheckpointError::Missing { .. }), "{error}");
}

#[test]
fn damage_is_named() {
    let (config, tensors) = m2();
    let name = "bert.encoder.layer.0.attention.out_linear.weight";
    let h = config.hidden_size;
    let with = |tensor: HostTensor| {
        let mut changed = tensors.clone();
        changed.insert(name.to_owned(), tensor);
        load(&config, changed)
    };
    let error = with(HostTensor::from_f32(&[h, 1], &vec![0.0; h])).unwrap_err();
    let expected =
        CheckpointError::Shape { name: name.into(), found: vec![h, 1], expected: vec![h, h] };
    assert_eq!(error, expected);
    let error = with(HostTensor::from_u32(&[h, h], &vec![0; h * h])).unwrap_err();
    assert!(matches!(error, CheckpointError::DType { found: DType::U32, .. }), "{error}");

    let mut values = vec![0.0; h * h];
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        values[5] = bad;
        let weights = with(HostTensor::from_f32(&[h, h], &values)).unwrap();
        let error = weights.check_finite().unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("element 5"), "{error}");
    }

    let mut extra = tensors.clone();
    extra.insert("bert.surprise".into(), HostTensor::from_f32(&[1], &[0.0]));
    let weights = Checkpoint::new(extra.clone()).unwrap();
    let weights = weights.load(&config, LoadOptions::default()).unwrap();
    assert!(weights.warnings.len() == 1 && weights.warnings[0].contains("bert.surprise"));
    let error = load(&config, extra).unwrap_err();
    assert_eq!(error, CheckpointError::Extra { names: vec!["bert.surprise".into()] });
}

#[test]
fn each_single_missing_parameter_is_named() {
    for (config, tensors) in models() {
        let heads = Checkpoint::new(tensors.clone()).unwrap().heads();
        for spec in parameters(&config, heads).into_iter().filter(|s| s.kind == Kind::Param) {
            let mut without = tensors.clone();
            without.remove(&spec.name);
            spec.aliases.iter().for_each(|a| drop(without.remove(a)));
            let text = load(&config, without).unwrap_err().to_string();
            assert!(text.contains("config.json") || text.contains(&spec.name), "{text}");
        }
    }
}

#[test]
fn growing_tiles_positions_and_rebuilds_times() {
    let (config, tensors) = m2();
    let weights = load(&config, tensors).unwrap();
    let n = config.max_position_embeddings;
    let mut same = weights.clone();
    same.grow(n, GrowFeatures::Rebuild).unwrap();
    assert_eq!(same.config, config);
    for new in [n / 2, n + 1, 2 * n - 1] {
        let error = weights.clone().grow(new, GrowFeatures::Tile).unwrap_err();
        assert_eq!(error, CheckpointError::Grow { old: n, new });
    }
    for features in [GrowFeatures::Tile, GrowFeatures::Rebuild] {
        let mut grown = weights.clone();
        grown.grow(3 * n, features).unwrap();
        assert_eq!(grown.config.max_position_embeddings, 3 * n);
        let positions = "bert.embeddings.position_embeddings.weight";
        let (old, new) = (weights.tensors[positions].to_f64(), grown.tensors[positions].to_f64());
        assert_eq!(new, old.repeat(3));
        let t = grown.tensors[&format!("{FILTER}.pos_emb.t")].to_f32().into_owned();
        assert_eq!(t, tables::times(3 * n));
        let z = format!("{FILTER}.pos_emb.z");
        let expected = match features {
            GrowFeatures::Tile => weights.tensors[&z].to_f32().repeat(3),
            GrowFeatures::Rebuild => tables::position_features(3 * n, config.mixer.emb_dim),
        };
        assert_eq!(grown.tensors[&z].to_f32(), expected);
        let again = Checkpoint::new(grown.tensors).unwrap();
        again.load(&grown.config, LoadOptions { strict: true }).unwrap();
    }
}
