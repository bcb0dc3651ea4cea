//! Fresh weights from a seed, the same bytes on every machine.
//!
//! All randomness is a counter: element i of a tensor depends on the seed, the tensor's name and i
//! alone ([`counter`]). The distributions are those of the published training code.

use std::collections::BTreeMap;

use m2_ir::HostTensor;

use crate::{
    config::ModelConfig,
    params::{Heads, Init, ParamSpec, parameters},
    tables,
};

/// Value `i` of the stream `seed`: uniform in [−1, 1), a multiple of 2⁻²³, exact in float32.
///
/// SplitMix64's finaliser over `(seed << 32) + i`, of which the upper 24 bits are used.
pub fn counter(seed: u32, i: u64) -> f32 {
    let mut z = (u64::from(seed) << 32).wrapping_add(i).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    // 24 bits over 2^23, less 1: both steps are exact.
    (z >> 40) as f32 / 8_388_608.0 - 1.0
}

/// FNV-1a, 32 bits.
pub const fn fnv1a(text: &str) -> u32 {
    let bytes = text.as_bytes();
    let mut hash = 0x811C_9DC5u32;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    hash
}

/// `len` values of a tensor that is a counter times `scale` plus `offset`, both steps in float32:
/// how weights too large to be stored in test data are given.
pub fn scaled(seed: u32, len: usize, scale: f32, offset: f32) -> Vec<f32> {
    (0..len as u64).map(|i| counter(seed, i) * scale + offset).collect()
}

/// All tensors of a fresh model, tables included.
///
/// Tensor seed: `seed` xor FNV-1a of the name ([`ParamSpec::seed_name`]).
pub fn init(config: &ModelConfig, heads: Heads, seed: u32) -> BTreeMap<String, HostTensor> {
    let specs = parameters(config, heads).into_iter();
    specs.map(|spec| (spec.name.clone(), init_tensor(config, &spec, seed))).collect()
}

/// One tensor of a fresh model: for callers that write a large model tensor by tensor.
pub fn init_tensor(config: &ModelConfig, spec: &ParamSpec, seed: u32) -> HostTensor {
    let len = spec.shape.iter().product();
    let stream = seed ^ fnv1a(&spec.seed_name());
    let values = match spec.init {
        Init::Constant(v) => vec![v as f32; len],
        Init::Normal(sigma) => (0..len as u64).map(|i| normal(stream, i, sigma)).collect(),
        Init::Uniform(bound) => {
            let value = |i| (f64::from(counter(stream, i)) * bound) as f32;
            (0..len as u64).map(value).collect()
        }
        Init::PositionFeatures => {
            tables::position_features(config.max_position_embeddings, config.mixer.emb_dim)
        }
        Init::Times => tables::times(config.max_position_embeddings),
        Init::DecayRates => tables::decay_rates(config.hidden_size),
    };
    HostTensor::from_f32(&spec.shape, &values)
}

/// Twelve uniform values have variance 4, so half their sum is near normal with variance 1; the sum
/// is exact in float64, and the product is rounded to float32 once.
fn normal(stream: u32, i: u64, sigma: f64) -> f32 {
    let sum: f64 = (12 * i..12 * i + 12).map(|j| f64::from(counter(stream, j))).sum();
    (sum / 2.0 * sigma) as f32
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::testing::{golden, read_tensors};

    #[test]
    fn counter_gives_the_layers_of_true_size() {
        let mut compared = 0;
        for dir in golden().filter(|d| d.join("weights.json").exists()) {
            let check = read_tensors(&dir.join("weights_check.safetensors"));
            let text = std::fs::read_to_string(dir.join("weights.json")).unwrap();
            let list: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
            for entry in list {
                let name = entry["name"].as_str().unwrap();
                let shape = entry["shape"].as_array().unwrap();
                let len = shape.iter().map(|d| d.as_u64().unwrap() as usize).product();
                let seed = u32::try_from(entry["tensor_seed"].as_u64().unwrap()).unwrap();
                let number = |key: &str| entry[key].as_f64().unwrap() as f32;
                let values = scaled(seed, len, number("scale"), number("offset"));
                let head = &check[&format!("head.{name}")];
                assert_eq!(&values[..head.len()], &*head.to_f32(), "{name}");
                let sum: f64 = values.iter().map(|&v| f64::from(v)).sum();
                let expected = check[&format!("sum_f64.{name}")].to_f64()[0];
                assert!((sum - expected).abs() <= 1e-9 * len as f64, "{name}: {sum} {expected}");
                compared += 1;
            }
        }
        assert!(compared > 0);
    }

    #[test]
    fn fnv1a_has_its_published_values() {
        assert_eq!([fnv1a(""), fnv1a("a"), fnv1a("foobar")], [0x811c9dc5, 0xe40c292c, 0xbf9cf968]);
    }

    /// A model small enough to hash in a test, with every kind of tensor.
    fn small() -> ModelConfig {
        let text = r#"{"monarch_mixer_sequence_mixing": true, "hyena_training_additions": true,
            "vocab_size": 40, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
            "max_position_embeddings": 24, "hyena_filter_order": 8, "num_labels": 3}"#;
        ModelConfig::from_json(text).unwrap()
    }

    #[test]
    fn bytes_never_change() {
        let mut hash = Sha256::new();
        for (name, tensor) in init(&small(), Heads::ALL, 17) {
            hash.update(name.as_bytes());
            hash.update(tensor.bytes());
        }
        let hex: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "80c2bb5c9dbc1480a0a6119dc8271e34aa9dd875f011811c0be934e749dd39ac");
    }

    #[test]
    fn draws_follow_their_rule() {
        let config = small();
        let tensors = init(&config, Heads::ALL, 5);
        let get = |name: &str| tensors[name].to_f32().into_owned();
        let layer = |i: usize, name: &str| get(&format!("bert.encoder.layer.{i}.{name}"));

        let name = "bert.encoder.layer.1.attention.out_linear.weight";
        let stream = 5 ^ fnv1a(name);
        let a: Vec<f64> = (0..24).map(|i| f64::from(counter(stream, i))).collect();
        let second = a[12..].iter().sum::<f64>() / 2.0 * 0.02;
        assert_eq!(get(name)[1], second as f32);

        for once in ["mlp.gated_layers.weight", "mlp.wo.bias", "attention.filter_fn2.bias"] {
            assert_eq!(layer(0, once), layer(1, once), "{once}");
        }
        for own in ["attention.in_linear.weight", "attention.filter_fn.implicit_filter.2.weight"] {
            assert_ne!(layer(0, own), layer(1, own), "{own}");
        }
        assert_ne!(layer(0, "attention.filter_fn.bias"), layer(0, "attention.filter_fn2.bias"));
        let bound = 1.0 / (16f32 / 4.0).sqrt();
        let gated = layer(0, "mlp.gated_layers.weight");
        assert!(gated.iter().all(|v| v.abs() <= bound));
        assert!(gated.iter().any(|v| v.abs() > 0.9 * bound));
        assert!(layer(0, "attention.filter_fn.implicit_filter.1.freq").iter().all(|&v| v == 10.0));
        assert_ne!(init(&config, Heads::ALL, 6)["classifier.weight"].bytes(), {
            tensors["classifier.weight"].bytes()
        });
    }

    #[test]
    fn spread_is_that_of_a_normal() {
        let values: Vec<f64> = (0..40_000).map(|i| f64::from(normal(3, i, 0.5))).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((variance - 0.25).abs() < 0.005, "{variance}");
        assert!(values.iter().any(|v| v.abs() > 1.5));
    }

    #[test]
    fn a_fresh_model_loads_under_its_own_names() {
        let config = small();
        let tensors = init(&config, Heads::ALL, 1);
        let checkpoint = crate::Checkpoint::new(tensors).unwrap();
        let weights = checkpoint.load(&config, crate::LoadOptions { strict: true }).unwrap();
        weights.check_finite().unwrap();
        assert_eq!(weights.heads, Heads::ALL);
    }
}
