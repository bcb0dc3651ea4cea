//! The golden checkpoints, and damaged and hostile ones.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
};

use m2_ir::{DType, f32_to_bf16};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::files::safetensors::{LoadOptions, Safetensors};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name)
}

fn reference() -> TensorMap {
    let path = golden("m2bert/m2_h64_l2_s32/model.safetensors");
    Safetensors::open(&path).unwrap().load_all(&LoadOptions::default()).unwrap()
}

fn read(name: &str) -> Result<Checkpoint, FileError> {
    read_checkpoint(&golden("checkpoints").join(name))
}

#[test]
fn golden_composer_equals_the_safetensors_file() {
    let found = read("composer.pt").unwrap();
    assert_eq!(found.layout, Layout::Composer);
    let want = reference();
    let mut compared = 0;
    for (name, tensor) in &found.tensors {
        let Some(w) = want.get(name) else { panic!("{name} is not in the reference") };
        assert_eq!((tensor.dtype(), tensor.shape()), (w.dtype(), w.shape()), "{name}");
        assert_eq!(tensor.bytes(), w.bytes(), "{name}");
        compared += 1;
    }
    for name in want.keys().filter(|n| n.starts_with("bert.encoder") || n.starts_with("cls.")) {
        assert!(found.tensors.contains_key(name), "{name} is missing");
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn golden_flat_and_module_layouts_equal_the_safetensors_file() {
    let want = reference();
    let flat = read("pytorch_model.bin").unwrap();
    assert_eq!(flat.layout, Layout::Flat);
    let half = read("module_bf16.bin").unwrap();
    assert_eq!(half.layout, Layout::Module);
    assert!(flat.tensors.keys().eq(half.tensors.keys()));
    for (name, tensor) in &flat.tensors {
        assert!(name.starts_with("bert."), "{name}");
        let w = &want[name];
        assert_eq!((tensor.dtype(), tensor.shape()), (w.dtype(), w.shape()), "{name}");
        assert_eq!(tensor.bytes(), w.bytes(), "{name}");
        let rounded = &half.tensors[name];
        assert_eq!(rounded.shape(), w.shape(), "{name}");
        if w.dtype().is_float() {
            assert_eq!(rounded.dtype(), DType::BF16, "{name}");
            let bits: Vec<u8> =
                w.to_f32().iter().flat_map(|&v| f32_to_bf16(v).to_le_bytes()).collect();
            assert_eq!(rounded.bytes(), bits, "{name}");
        } else {
            assert_eq!(rounded.bytes(), w.bytes(), "{name}");
        }
    }
}

#[test]
fn golden_views_are_unfolded() {
    let found = read("views.pt").unwrap();
    let t = |name: &str| &found.tensors[name];
    let base: Vec<f32> = (0..24u8).map(f32::from).collect();
    assert_eq!((t("base").shape(), &*t("base").to_f32()), (&[4, 6][..], &base[..]));
    let transposed: Vec<f32> =
        (0..6).flat_map(|c| (0..4).map(move |r| (6 * r + c) as f32)).collect();
    assert_eq!((t("t").shape(), &*t("t").to_f32()), (&[6, 4][..], &transposed[..]));
    assert_eq!(
        (t("cut").shape(), &*t("cut").to_f32()),
        (&[2, 3][..], &[8., 9., 10., 14., 15., 16.][..])
    );
    assert_eq!((t("half").dtype(), t("half").shape()), (DType::F16, &[4, 6][..]));
    assert_eq!((t("i64").dtype(), t("i64").len()), (DType::I64, 5));
    assert_eq!((t("b").dtype(), t("b").len()), (DType::U8, 2));
    assert!(t("b").bytes().iter().all(|&b| b <= 1));
    assert_eq!((t("param").dtype(), t("param").shape()), (DType::F32, &[4, 6][..]));
    assert_eq!(found.ignored[0], "nested.list.0");
}

#[test]
fn golden_evil_is_refused_by_name() {
    let e = read("evil.pt").unwrap_err();
    assert!(matches!(&e, FileError::Refused { name, .. } if name == "posix.system"), "{e}");
    assert!(e.to_string().contains("nothing was run"), "{e}");
}

#[test]
fn golden_legacy_format_is_explained() {
    let e = read("legacy_format.bin").unwrap_err().to_string();
    assert!(e.contains("before 1.6") && e.contains("torch.save(torch.load("), "{e}");
}

#[test]
fn other_formats_are_named() {
    let e = read("README.md").unwrap_err().to_string();
    assert!(e.contains("another format"), "{e}");
    let e = read_checkpoint(&golden("m2bert/m2_h64_l2_s32/model.safetensors")).unwrap_err();
    assert!(e.to_string().contains("a safetensors file"), "{e}");
    let e = read("no.pt").unwrap_err().to_string();
    assert!(e.contains("cannot read") && e.contains("check the path"), "{e}");
}

/// A checkpoint with this pickle and a storage "0" of 4 floats.
fn archive(pickle: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.pt");
    let mut zip = ZipWriter::new(File::create(&path).unwrap());
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let data: Vec<u8> = (1..5u8).flat_map(|v| f32::from(v).to_le_bytes()).collect();
    for (name, bytes) in [("a/data.pkl", pickle), ("a/data/0", &data)] {
        zip.start_file(name, stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    (dir, path)
}

/// `{name: tensor}` of views of storage "0", each with numbers in pickle's text form.
fn views(list: &[(&str, i64, &[i64], &[i64])]) -> Vec<u8> {
    let tuple =
        |v: &[i64]| format!("({}t", v.iter().map(|n| format!("L{n}L\n")).collect::<String>());
    let mut out = b"(d".to_vec();
    for (name, offset, size, stride) in list {
        out.extend(format!("V{name}\nctorch._utils\n_rebuild_tensor_v2\n((").bytes());
        out.extend(b"Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI4\ntQ");
        out.extend(format!("L{offset}L\n{}{}I0\nNtRs", tuple(size), tuple(stride)).bytes());
    }
    out.push(b'.');
    out
}

#[test]
fn views_outside_their_storage_are_refused() {
    let big = i64::MAX;
    let bad: [(i64, &[i64], &[i64]); 9] = [
        (0, &[5], &[1]),
        (1, &[4], &[1]),
        (4, &[1], &[1]),
        (0, &[2, 2], &[3, 1]),
        (big, &[2], &[1]),
        (0, &[2, 2], &[big, big]),
        (0, &[big, big], &[0, 0]),
        (-1, &[1], &[1]),
        (0, &[2], &[-1]),
    ];
    for (offset, size, stride) in bad {
        let (_dir, path) = archive(&views(&[("w", offset, size, stride)]));
        let e = read_checkpoint(&path).unwrap_err().to_string();
        assert!(e.contains("expected a"), "{offset} {size:?} {stride:?}: {e}");
    }
    // A view that repeats one number a billion times.
    let (_dir, path) = archive(&views(&[("w", 0, &[1 << 30], &[0])]));
    let e = read_checkpoint(&path).unwrap_err().to_string();
    assert!(e.contains("'w'") && e.contains("larger than the file"), "{e}");

    let good: [(&str, i64, &[i64], &[i64]); 5] = [
        ("w.row", 1, &[2], &[1]),
        ("w.t", 0, &[2, 2], &[1, 2]),
        ("w.repeat", 3, &[3, 1], &[0, 9]),
        ("w.empty", 9, &[0, 7], &[1, 1]),
        ("w.scalar", 2, &[], &[]),
    ];
    let (_dir, path) = archive(&views(&good));
    let found = read_checkpoint(&path).unwrap().tensors;
    assert_eq!(&*found["w.row"].to_f32(), &[2., 3.]);
    assert_eq!(&*found["w.t"].to_f32(), &[1., 3., 2., 4.]);
    assert_eq!(&*found["w.repeat"].to_f32(), &[4., 4., 4.]);
    assert_eq!(found["w.empty"].shape(), &[0, 7]);
    assert_eq!((found["w.scalar"].shape(), found["w.scalar"].to_f64()[0]), (&[][..], 3.0));
}

#[test]
fn prefixes_of_wrappers_are_removed() {
    let layout = |names: &[&str]| {
        let list: Vec<_> = names.iter().map(|n| (*n, 0, &[4][..], &[1][..])).collect();
        let (_dir, path) = archive(&views(&list));
        read_checkpoint(&path)
            .map(|c| (c.layout, c.tensors.into_keys().collect::<Vec<_>>().join(" ")))
    };
    let ok = |names: &[&str]| layout(names).unwrap();
    assert_eq!(ok(&["module.a", "module.b"]), (Layout::Module, "a b".to_owned()));
    assert_eq!(ok(&["module.model.a", "module.model.b"]), (Layout::Module, "a b".to_owned()));
    assert_eq!(ok(&["model.a", "head"]), (Layout::Flat, "head model.a".to_owned()));
    let e = layout(&["model.a", "module.a"]).unwrap_err().to_string();
    assert!(e.contains("with and without"), "{e}");
}

#[test]
fn cycles_and_doubling_end() {
    let (_dir, path) = archive(b"(dp0\nVa\ng0\ns.");
    assert!(read_checkpoint(&path).unwrap_err().to_string().contains("deep"));
    let mut doubling = b"(dVa\n]q\x00".to_vec();
    for i in 0..60u8 {
        doubling.extend([b']', b'q', i + 1, b'(', b'h', i, b'h', i, b'e']);
    }
    doubling.extend(b"s.");
    let (_dir, path) = archive(&doubling);
    assert!(read_checkpoint(&path).is_err());
}

/// Every damage is an error or leaves intact weights: zip's CRC guards every byte that is read.
#[test]
fn damaged_checkpoints_never_panic() {
    let (_dir, path) = archive(&views(&[("w", 0, &[2, 2], &[1, 2]), ("v", 0, &[4], &[1])]));
    let small = fs::read(&path).unwrap();
    let large = fs::read(golden("checkpoints/views.pt")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("y.pt");
    let mut refused = 0;
    for (good, step) in [(&small, 3), (&large, 97)] {
        fs::write(&path, good).unwrap();
        let want = read_checkpoint(&path).unwrap();
        let mut check = |bytes: &[u8]| {
            // A new file each time: rewriting one in place waits for the disk.
            fs::remove_file(&path).unwrap();
            fs::write(&path, bytes).unwrap();
            match read_checkpoint(&path) {
                Ok(found) => {
                    for (name, t) in &found.tensors {
                        assert_eq!(t.bytes(), want.tensors[name].bytes(), "{name}");
                    }
                }
                Err(e) => {
                    refused += 1;
                    assert!(e.to_string().contains("y.pt"), "{e}");
                }
            }
        };
        for at in (0..good.len()).step_by(step) {
            check(&good[..at]);
            for flip in [1, 0x80, 0xff] {
                let mut bytes = good.clone();
                bytes[at] ^= flip;
                check(&bytes);
            }
        }
    }
    assert!(refused > 500, "{refused}");
}
