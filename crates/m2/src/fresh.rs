//! Fresh weights, drawn by several threads.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use m2_ir::HostTensor;
use m2_nn::{Heads, ModelConfig, ParamSpec, init::init_tensor, parameters};

/// The tensors of [`m2_nn::init::init`], the same bytes, drawn by so many threads (0 takes all there
/// are). After each tensor `done` gets its number of elements.
pub fn weights(
    config: &ModelConfig,
    heads: Heads,
    seed: u32,
    threads: usize,
    done: &(dyn Fn(u64) + Sync),
) -> BTreeMap<String, HostTensor> {
    let mut specs: Vec<ParamSpec> = parameters(config, heads);
    // The word embeddings are a quarter of a model: largest first, so that no thread waits for them.
    specs.sort_by_key(|s| std::cmp::Reverse(s.elements()));
    let all = || thread::available_parallelism().map_or(1, |n| n.get());
    let threads = if threads == 0 { all() } else { threads }.min(specs.len()).max(1);
    let (next, tensors) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        while let Some(spec) = specs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let tensor = init_tensor(config, spec, seed);
            tensors
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(spec.name.clone(), tensor);
            done(spec.elements());
        }
    };
    thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    tensors.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The heads a fresh model gets: it fills masks and embeds texts, and where its configuration names
/// classes it classifies.
pub fn heads(config: &ModelConfig) -> Heads {
    let named = !config.id2label.is_empty() || !config.defaulted.contains("num_labels");
    Heads { mlm: true, pooler: true, classifier: named }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn threads_do_not_change_bytes() {
        let text = r#"{"monarch_mixer_sequence_mixing": true, "vocab_size": 40, "hidden_size": 16,
            "intermediate_size": 32, "num_hidden_layers": 3, "max_position_embeddings": 24}"#;
        let config = ModelConfig::from_json(text).unwrap();
        let expected = m2_nn::init::init(&config, Heads::ALL, 9);
        for threads in [1, 3, 64] {
            let count = AtomicU64::new(0);
            let add = |n| {
                count.fetch_add(n, Ordering::Relaxed);
            };
            let found = weights(&config, Heads::ALL, 9, threads, &add);
            assert!(found.keys().eq(expected.keys()));
            assert!(found.values().zip(expected.values()).all(|(a, b)| a.bytes() == b.bytes()));
            let elements: usize = expected.values().map(HostTensor::len).sum();
            assert_eq!(count.into_inner(), elements as u64);
        }
    }

    #[test]
    fn classes_are_only_there_where_they_are_named() {
        let m2 = |rest: &str| {
            let text = format!(r#"{{"monarch_mixer_sequence_mixing": true{rest}}}"#);
            heads(&ModelConfig::from_json(&text).unwrap()).classifier
        };
        assert!(!m2(""));
        assert!(m2(r#", "num_labels": 3"#));
        assert!(m2(r#", "id2label": {"0": "no", "1": "yes"}"#));
    }
}
