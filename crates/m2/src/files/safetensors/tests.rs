//! Files that are right, and files that lie.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use m2_ir::{DType, HostTensor};

use super::*;

/// A file with this header text (padded to 8) and data.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut json = header.as_bytes().to_vec();
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut out = (json.len() as u64).to_le_bytes().to_vec();
    out.extend(json);
    out.extend(data);
    out
}

fn open(bytes: Vec<u8>) -> Result<Safetensors, FileError> {
    Safetensors::from_bytes("x.safetensors", Arc::new(bytes))
}

fn load(bytes: Vec<u8>) -> Result<TensorMap, FileError> {
    open(bytes)?.load_all(&LoadOptions::default())
}

fn sample() -> TensorMap {
    let f = |n: usize| (0..n).map(|i| i as f32 * 0.25 - 3.0).collect::<Vec<_>>();
    let half = Arc::new((0..6u16).flat_map(|i| (0x3c00 + i).to_le_bytes()).collect::<Vec<_>>());
    TensorMap::from([
        ("bert.embeddings.word".to_owned(), HostTensor::from_f32(&[7, 5], &f(35))),
        ("bias".to_owned(), HostTensor::from_f64(&[3], &[1.0, -2.0, 1e300])),
        ("empty".to_owned(), HostTensor::from_f32(&[0, 4], &[])),
        ("half".to_owned(), HostTensor::new(DType::F16, vec![2, 3], half).unwrap()),
        ("ids".to_owned(), HostTensor::from_u32(&[], &[9])),
    ])
}

fn refs(map: &TensorMap) -> impl Iterator<Item = (&str, &HostTensor)> {
    map.iter().map(|(n, t)| (n.as_str(), t))
}

fn assert_same(a: &TensorMap, b: &TensorMap) {
    assert!(a.keys().eq(b.keys()), "{:?} {:?}", a.keys(), b.keys());
    for (name, t) in a {
        let u = &b[name];
        assert_eq!((t.dtype(), t.shape()), (u.dtype(), u.shape()), "{name}");
        assert_eq!(t.bytes(), u.bytes(), "{name}");
    }
}

#[test]
fn round_trips_through_memory_disk_map_and_the_reference_crate() {
    let want = sample();
    let meta = BTreeMap::from([("made by".to_owned(), "a test".to_owned())]);
    let bytes = to_bytes(refs(&want), &meta);
    assert_same(&load(bytes.clone()).unwrap(), &want);

    let reference = ::safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(reference.len(), want.len());
    for (name, t) in &want {
        let view = reference.tensor(name).unwrap();
        assert_eq!((view.shape(), view.data()), (t.shape(), t.bytes()), "{name}");
    }

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    write(&path, refs(&want), &meta).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
    for threads in [0, 1, 3] {
        let map = |name: &str| name.len() > threads;
        let options = LoadOptions { threads, map: &map, finite: FiniteCheck::All };
        let found = Safetensors::open(dir.path()).unwrap();
        assert_eq!(found.metadata("format"), Some("pt"));
        assert_eq!(found.metadata("made by"), Some("a test"));
        assert_same(&found.load_all(&options).unwrap(), &want);
        let one = found.load(&["half", "half"], &options).unwrap();
        assert_eq!(one.len(), 1);
        assert_eq!(one["half"].bytes(), want["half"].bytes());
    }
}

#[test]
fn large_tensors_are_read_in_chunks() {
    let n = 700_001;
    let data: Vec<f32> = (0..n).map(|i| (i as f32).sin()).collect();
    let want = TensorMap::from([
        ("a".to_owned(), HostTensor::from_f32(&[n], &data)),
        ("b".to_owned(), HostTensor::from_f32(&[1, n], &data)),
    ]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big.safetensors");
    write(&path, refs(&want), &BTreeMap::new()).unwrap();
    let got = Safetensors::open(&path).unwrap().load_all(&LoadOptions::default()).unwrap();
    assert_same(&got, &want);
}

#[test]
fn nan_is_named_with_its_index() {
    let mut data = vec![1.0f32; 400_000];
    data[300_123] = f32::NEG_INFINITY;
    data[300_124] = f32::NAN;
    let bad = TensorMap::from([("w".to_owned(), HostTensor::from_f32(&[2, 200_000], &data))]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    write(&path, refs(&bad), &BTreeMap::new()).unwrap();
    let found = Safetensors::open(&path).unwrap();
    let always: &(dyn Fn(&str) -> bool + Sync) = &|_| true;
    let never: &(dyn Fn(&str) -> bool + Sync) = &|_| false;
    for (map, finite, caught) in [
        (never, FiniteCheck::Read, true),
        (never, FiniteCheck::Never, false),
        (always, FiniteCheck::Read, false),
        (always, FiniteCheck::All, true),
    ] {
        match found.load_all(&LoadOptions { threads: 2, map, finite }) {
            Err(FileError::NonFinite { tensor, index, value, .. }) if caught => {
                assert_eq!((tensor.as_str(), index, value), ("w", 300_123, f64::NEG_INFINITY));
            }
            other => assert!(!caught && other.is_ok(), "{finite:?} {other:?}"),
        }
    }
}

#[test]
fn liars_are_refused_with_the_reason() {
    let entry = |shape: &str, from: u64, to: u64| {
        format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let one = |shape: &str, from, to| format!(r#"{{"a":{}}}"#, entry(shape, from, to));
    let two = |second: &str| format!(r#"{{"a":{},{second}}}"#, entry("[2]", 0, 8));
    let max = u64::MAX;
    let cases: Vec<(String, usize, &str)> = vec![
        (one("[2]", 0, 8), 7, "as its header says"),
        (one("[2]", 0, 8), 9, "as its header says"),
        (one("[2]", 8, 0), 8, "data_offsets [8, 0]"),
        (one("[3]", 0, 8), 8, "12 bytes for shape [3]"),
        (one("[2]", 4, 12), 12, "a hole"),
        (one("[2]", max - 7, max), 8, "data_offsets"),
        (one("[4294967296,4294967296]", 0, 0), 0, "shape [4294967296, 4294967296]"),
        (one("[9223372036854775807,2]", 0, 8), 8, "a shape whose size"),
        (one("[-1]", 0, 8), 8, "invalid JSON"),
        (one("[1e3]", 0, 8), 8, "invalid JSON"),
        (two(&format!(r#""b":{}"#, entry("[2]", 4, 12))), 12, "an overlap"),
        (two(&format!(r#""b":{}"#, entry("[2]", 0, 8))), 8, "an overlap"),
        (two(&format!(r#""b":{}"#, entry("[2]", 12, 20))), 20, "a hole"),
        (two(&format!(r#""a":{}"#, entry("[2]", 8, 16))), 16, "its name twice"),
        (r#"{"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}}"#.into(), 8, "dtype 'F31'"),
        (r#"{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}"#.into(), 1, "whole number"),
        (r#"{"a":{"dtype":"F32","shape":[2]}}"#.into(), 8, "data_offsets"),
        (r#"{"__metadata__":{"a":1}}"#.into(), 0, "invalid JSON"),
        ("[]".into(), 0, "invalid JSON"),
        (String::new(), 0, "invalid JSON"),
        ("[".repeat(100_000), 0, "invalid JSON"),
        (format!(r#"{{"a":{}"#, "[".repeat(100_000)), 0, "invalid JSON"),
    ];
    for (header, data, reason) in cases {
        let e = match open(file(&header, &vec![0; data])) {
            Ok(_) => panic!("accepted {header}"),
            Err(e) => e.to_string(),
        };
        assert!(e.contains(reason), "{header:.200}: {e}");
        assert!(e.starts_with("x.safetensors: "), "{e}");
        assert!(e.contains("fetch it again"), "{e}");
    }
}

#[test]
fn unusual_but_legal_files_load() {
    let e = load(file(r#"{"a":{"dtype":"I16","shape":[2],"data_offsets":[0,4]}}"#, &[0; 4]));
    assert!(e.unwrap_err().to_string().contains("'a': found dtype I16, expected F32"));
    let ok = load(file(r#"{"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}"#, &[0, 1]));
    assert_eq!(ok.unwrap()["a"].dtype(), DType::U8);
    assert!(load(file("{}", &[])).unwrap().is_empty());
    // The second tensor begins at an odd byte.
    let header = r#"{"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]},
        "a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
    let found = open(file(header, &[7, 0, 0, 128, 63])).unwrap();
    assert_eq!(found.tensors().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(found.load_all(&LoadOptions::default()).unwrap()["b"].to_f32()[..], [1.0]);
}

#[test]
fn header_lengths_that_lie_are_refused() {
    let good = to_bytes(refs(&sample()), &BTreeMap::new());
    for len in [0, 1, good.len() as u64, good.len() as u64 - 7, 1 << 40, u64::MAX, u64::MAX - 7] {
        let mut bytes = good.clone();
        bytes[..8].copy_from_slice(&len.to_le_bytes());
        assert!(open(bytes).is_err(), "{len}");
    }
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n".to_vec();
    assert!(open(pointer).err().unwrap().to_string().contains("git lfs pull"));
    for short in 0..8 {
        assert!(open(good[..short].to_vec()).is_err());
    }
}

/// Every single damage is an error or leaves a file that loads; nothing panics.
#[test]
fn damaged_files_never_panic() {
    let good = to_bytes(refs(&sample()), &BTreeMap::new());
    for cut in 0..good.len() {
        assert!(load(good[..cut].to_vec()).is_err(), "cut at {cut}");
    }
    let (mut refused, mut loaded) = (0, 0);
    for at in 0..good.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= flip;
            match load(bytes) {
                Ok(map) => {
                    loaded += 1;
                    map.values().for_each(|t| assert_eq!(t.to_f64().len(), t.len()));
                }
                Err(e) => {
                    refused += 1;
                    assert!(e.to_string().contains("x.safetensors"), "{e}");
                }
            }
        }
    }
    assert!(refused > 500 && loaded > 300, "{refused} {loaded}");
}

#[test]
fn missing_tensors_and_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let e = Safetensors::open(&dir.path().join("no.safetensors")).err().unwrap().to_string();
    assert!(e.contains("cannot open") && e.contains("no.safetensors"), "{e}");
    let e = Safetensors::open(dir.path()).err().unwrap().to_string();
    assert!(e.contains("m2 convert"), "{e}");
    let found = open(to_bytes(refs(&sample()), &BTreeMap::new())).unwrap();
    let e = found.load(&["bias", "nope"], &LoadOptions::default()).unwrap_err().to_string();
    assert!(e.contains("x.safetensors: tensor 'nope' is missing"), "{e}");
}

#[test]
fn sharded_folders_load_as_one() {
    let want = sample();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { dir.path().join(name) };
    let shard = |name: &str, part: &str| {
        let half = refs(&want).filter(|(n, _)| (*n < "e") == (part == "low"));
        write(&at(name), half, &BTreeMap::new()).unwrap();
    };
    shard("model-00001-of-00002.safetensors", "low");
    shard("model-00002-of-00002.safetensors", "high");
    let index = |map: &BTreeMap<&str, &str>| {
        let json = serde_json::json!({"metadata": {"total_size": 1}, "weight_map": map});
        fs::write(at("model.safetensors.index.json"), json.to_string()).unwrap();
    };
    let mut map: BTreeMap<&str, &str> = want
        .keys()
        .map(|n| {
            let part = if n.as_str() < "e" { "1" } else { "2" };
            (
                n.as_str(),
                ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
                    [usize::from(part == "2")],
            )
        })
        .collect();
    index(&map);
    let found = Safetensors::open(dir.path()).unwrap();
    assert_same(&found.load_all(&LoadOptions::default()).unwrap(), &want);
    assert!(found.file_of("half").ends_with("model-00002-of-00002.safetensors"));

    map.insert("half", "model-00001-of-00002.safetensors");
    index(&map);
    let e = Safetensors::open(dir.path()).err().unwrap().to_string();
    assert!(e.contains("tensor 'half'") && e.contains("where it is not"), "{e}");
    for evil in ["../x.safetensors", "/etc/passwd", "..", "", "a\\b", "c:d"] {
        map.insert("half", evil);
        index(&map);
        let e = Safetensors::open(dir.path()).err().unwrap().to_string();
        assert!(e.contains("in the same folder"), "{evil}: {e}");
    }
    shard("model-00001-of-00002.safetensors", "high");
    map.insert("half", "model-00002-of-00002.safetensors");
    index(&map);
    let e = Safetensors::open(dir.path()).err().unwrap().to_string();
    assert!(e.contains("a second copy"), "{e}");
}
