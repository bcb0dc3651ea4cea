//! The implicit filters' tables, to the last bit as the published code builds them.
//!
//! `t` and `deltas` are float32 tables and their rounding is part of a model's function: built
//! carelessly they move the kernels by 3e-8. They follow `torch.linspace`'s arithmetic.

use std::f64::consts::PI;

/// ln(0.01): the decay all channels reach, each at its own time.
const LN_TARGET: f64 = -4.605_170_185_988_091;
/// Times, as shares of the window, at which the slowest and fastest channel reach it.
const SLOW: f64 = 1.5;
const FAST: f64 = 0.3;

/// `steps` values from `start` to `end` with the rounding of `torch.linspace` in float32.
///
/// Both ends and the step are rounded to float32; the first half counts up from the start, the
/// second down from the end, each value rounded once.
pub fn linspace(start: f64, end: f64, steps: usize) -> Vec<f32> {
    let (a, b) = (start as f32, end as f32);
    if steps < 2 {
        return vec![a; steps];
    }
    // Two roundings: the difference, then the quotient.
    let step = f64::from((f64::from(b - a) / (steps - 1) as f64) as f32);
    let (a, b) = (f64::from(a), f64::from(b));
    // Product and sum are exact in float64: 24-bit factors, neighbouring exponents.
    let value = |i: usize| match i < steps / 2 {
        true => step * i as f64 + a,
        false => b - step * (steps - 1 - i) as f64,
    };
    (0..steps).map(|i| value(i) as f32).collect()
}

/// `pos_emb.t`: n/(N−1) for n in 0..N.
pub fn times(positions: usize) -> Vec<f32> {
    linspace(0.0, 1.0, positions)
}

/// `modulation.deltas`: one decay rate a channel, slowest first.
pub fn decay_rates(channels: usize) -> Vec<f32> {
    linspace(LN_TARGET / SLOW, LN_TARGET / FAST, channels)
}

/// `pos_emb.z` as a fresh model has it: per position `[t, cos(f·2πn/N)…, −sin(f·2πn/N)…]`, row-major
/// (N, E), with the frequencies f evenly from 1e-4 to m−1, m = (E−1)/2.
///
/// Sines and cosines are taken in float64 by `libm`, so the bytes are the same on every machine;
/// the published code takes them in float32 and differs by up to 4e-7.
pub fn position_features(positions: usize, emb_dim: usize) -> Vec<f32> {
    let bands = (emb_dim - 1) / 2;
    let frequency = |j: usize| match bands {
        1 => 1e-4,
        m => 1e-4 + (((m - 1) as f64) - 1e-4) * (j as f64 / (m - 1) as f64),
    };
    let mut features = Vec::with_capacity(positions * emb_dim);
    for (n, &t) in times(positions).iter().enumerate() {
        let turn = 2.0 * PI * n as f64 / positions as f64;
        features.push(t);
        features.extend((0..bands).map(|j| libm::cos(frequency(j) * turn) as f32));
        features.extend((0..bands).map(|j| -libm::sin(frequency(j) * turn) as f32));
    }
    features
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{golden, golden_ops, read_config, read_tensors};

    fn check(name: &str, found: &[f32], l_max: usize, at: &str) {
        if name.ends_with("pos_emb.t") || name == "t" {
            assert_eq!(found, &times(l_max)[..found.len()], "{at} {name}");
        } else if name.ends_with("deltas") {
            assert_eq!(found, decay_rates(found.len()), "{at} {name}");
        }
    }

    #[test]
    fn tables_equal_the_published_ones_bit_for_bit() {
        let mut compared = 0;
        for dir in golden() {
            let l_max = read_config(&dir).max_position_embeddings;
            for file in ["model.safetensors", "io.safetensors", "initial.safetensors"] {
                if dir.join(file).exists() {
                    for (name, tensor) in read_tensors(&dir.join(file)) {
                        check(&name, &tensor.to_f32(), l_max, &dir.display().to_string());
                        compared += usize::from(name.ends_with("pos_emb.t"));
                    }
                }
            }
        }
        assert!(compared > 0);
    }

    #[test]
    fn filter_tables_equal_the_published_ones() {
        let files = golden_ops("filter_", "_tables.safetensors");
        assert!(!files.is_empty());
        for file in files {
            let name = file.display().to_string();
            let tensors = read_tensors(&file);
            // The file holds the first rows of a table whose length the step tells.
            let l_max = (1.0 / tensors["t"].to_f64()[1]).round() as usize + 1;
            for (tensor, values) in tensors {
                check(&tensor, &values.to_f32(), l_max, &name);
                if tensor == "z_init" {
                    let expected = position_features(l_max, values.shape()[2]);
                    for (found, expected) in values.to_f32().iter().zip(&expected) {
                        assert!((found - expected).abs() < 5e-7, "{name}: {found} {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn short_tables_are_their_start() {
        assert_eq!(linspace(2.0, 3.0, 1), [2.0]);
        assert!(linspace(2.0, 3.0, 0).is_empty());
        assert_eq!(times(2), [0.0, 1.0]);
        assert_eq!(position_features(1, 3), [0.0, 1.0, 0.0]);
    }
}
