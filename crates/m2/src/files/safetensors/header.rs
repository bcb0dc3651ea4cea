//! The header of a safetensors file: what it promises, and every way in which it can lie.
//!
//! Layout: 8 bytes little-endian header length, the header (JSON, `name → {dtype, shape,
//! data_offsets}` and `__metadata__`), then the data, which the tensors cover without hole or
//! overlap.

use std::{collections::BTreeMap, fmt, ops::Range};

use m2_ir::DType;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

use crate::files::{
    FileError,
    error::{DAMAGED, clip},
};

/// Longest header that is read, as in the reference implementation.
pub(crate) const MAX_HEADER: u64 = 100_000_000;

/// One tensor of a file.
#[derive(Debug, Clone)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// Its element type; `None` for a type of the format that this library does not compute with.
    pub dtype: Option<DType>,
    /// Its element type as the file spells it.
    pub dtype_name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its bytes, from the beginning of the file.
    pub(crate) bytes: Range<u64>,
}

/// A checked header: the tensors lie within the file and cover its data exactly.
#[derive(Debug, Clone, Default)]
pub(crate) struct Header {
    /// The tensors in the order in which the header lists them.
    pub tensors: Vec<TensorInfo>,
    /// The `__metadata__` strings.
    pub metadata: BTreeMap<String, String>,
}

/// Checks the length prefix against the length of the file and returns the length of the header.
pub(crate) fn header_len(file: &str, prefix: &[u8], file_len: u64) -> Result<u64, FileError> {
    if prefix.starts_with(b"version ") {
        return Err(FileError::malformed(
            file,
            "",
            "a Git LFS pointer",
            "the weights it points to",
            "run `git lfs pull` in the repository, or download the file itself",
        ));
    }
    let Ok(len) = <[u8; 8]>::try_from(prefix).map(u64::from_le_bytes) else {
        let found = format!("{file_len} bytes");
        return Err(FileError::malformed(file, "header", found, "at least 8 bytes", DAMAGED));
    };
    if len > MAX_HEADER.min(file_len.saturating_sub(8)) {
        return Err(FileError::malformed(
            file,
            "header length",
            format!("{len}"),
            format!("at most {} (the file has {file_len} bytes)", file_len.saturating_sub(8)),
            "the file is damaged, incomplete or no safetensors file: fetch it again, or convert it \
             with `m2 convert`",
        ));
    }
    Ok(len)
}

impl Header {
    /// Parses and checks the JSON of a file of `file_len` bytes.
    pub fn parse(file: &str, json: &[u8], file_len: u64) -> Result<Header, FileError> {
        let data_start = 8 + json.len() as u64;
        let raw: RawHeader = serde_json::from_slice(json).map_err(|e| {
            FileError::malformed(
                file,
                "header",
                format!("invalid JSON ({})", clip(&e.to_string())),
                "an object of tensors",
                DAMAGED,
            )
        })?;
        if let Some(name) = raw.duplicate {
            return Err(FileError::malformed(
                file,
                format!("tensor '{}'", clip(&name)),
                "its name twice in the header",
                "each name once",
                DAMAGED,
            ));
        }
        let tensors = raw
            .entries
            .into_iter()
            .map(|(name, entry)| check_entry(file, name, entry, data_start))
            .collect::<Result<Vec<_>, _>>()?;
        check_cover(file, &tensors, data_start, file_len)?;
        Ok(Header { tensors, metadata: raw.metadata })
    }
}

/// Shape, type and byte range of one tensor must agree.
fn check_entry(
    file: &str,
    name: String,
    entry: RawEntry,
    data_start: u64,
) -> Result<TensorInfo, FileError> {
    let bad = |found: String, expected: String| {
        FileError::malformed(file, format!("tensor '{}'", clip(&name)), found, expected, DAMAGED)
    };
    let Some((bits, dtype)) = dtype_of(&entry.dtype) else {
        return Err(bad(
            format!("dtype '{}'", clip(&entry.dtype)),
            "a dtype of the safetensors format (F32, F16, BF16, F64, I64, …)".to_owned(),
        ));
    };
    let (begin, end) = (entry.data_offsets.0, entry.data_offsets.1);
    let size = entry
        .shape
        .iter()
        .try_fold(1u64, |n, &d| n.checked_mul(d))
        .and_then(|n| n.checked_mul(bits))
        .filter(|bits| bits % 8 == 0)
        .map(|bits| bits / 8);
    // The dimensions fit usize when their product fits the file, except beside a zero.
    let shape: Option<Vec<usize>> = entry.shape.iter().map(|&d| usize::try_from(d).ok()).collect();
    let (Some(size), Some(shape)) = (size, shape) else {
        return Err(bad(
            format!("shape {:?} of {}", entry.shape, entry.dtype),
            "a shape whose size in bytes is a whole number that fits this machine".to_owned(),
        ));
    };
    if end.checked_sub(begin) != Some(size) {
        return Err(bad(
            format!("data_offsets [{begin}, {end}]"),
            format!("{size} bytes for shape {shape:?} of {}", entry.dtype),
        ));
    }
    let (Some(first), Some(last)) = (data_start.checked_add(begin), data_start.checked_add(end))
    else {
        return Err(bad(
            format!("data_offsets [{begin}, {end}]"),
            "offsets in the file".to_owned(),
        ));
    };
    Ok(TensorInfo { name, dtype, dtype_name: entry.dtype, shape, bytes: first..last })
}

/// The tensors must cover the data without hole, overlap or rest.
fn check_cover(
    file: &str,
    tensors: &[TensorInfo],
    data_start: u64,
    file_len: u64,
) -> Result<(), FileError> {
    let mut order: Vec<&TensorInfo> = tensors.iter().collect();
    order.sort_by_key(|t| (t.bytes.start, t.bytes.end));
    let mut at = data_start;
    for t in order {
        if t.bytes.start != at {
            let kind = if t.bytes.start < at { "an overlap" } else { "a hole" };
            return Err(FileError::malformed(
                file,
                format!("tensor '{}'", clip(&t.name)),
                format!("{kind}: it begins at byte {}", t.bytes.start - data_start),
                format!("byte {}, where the tensor before it ends", at - data_start),
                DAMAGED,
            ));
        }
        at = t.bytes.end;
    }
    if at != file_len {
        return Err(FileError::malformed(
            file,
            "",
            format!("{file_len} bytes"),
            format!("{at} bytes, as its header says"),
            DAMAGED,
        ));
    }
    Ok(())
}

/// Bits per element of a type of the format, and the type that computes with it. Truth values are
/// bytes of 0 and 1.
fn dtype_of(name: &str) -> Option<(u64, Option<DType>)> {
    Some(match name {
        "F32" => (32, Some(DType::F32)),
        "F16" => (16, Some(DType::F16)),
        "BF16" => (16, Some(DType::BF16)),
        "F64" => (64, Some(DType::F64)),
        "I64" => (64, Some(DType::I64)),
        "I32" => (32, Some(DType::I32)),
        "U32" => (32, Some(DType::U32)),
        "I8" => (8, Some(DType::I8)),
        "U8" | "BOOL" => (8, Some(DType::U8)),
        "I16" | "U16" => (16, None),
        "U64" | "C64" => (64, None),
        "F8_E5M2" | "F8_E4M3" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ" => (8, None),
        "F6_E2M3" | "F6_E3M2" => (6, None),
        "F4" => (4, None),
        _ => return None,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The JSON as it lies, with the order of its keys and the first name that occurs twice.
struct RawHeader {
    entries: Vec<(String, RawEntry)>,
    metadata: BTreeMap<String, String>,
    duplicate: Option<String>,
}

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = RawHeader;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
                let mut names = std::collections::HashSet::new();
                let mut raw =
                    RawHeader { entries: Vec::new(), metadata: BTreeMap::new(), duplicate: None };
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        raw.metadata = map.next_value()?;
                    } else {
                        raw.entries.push((name.clone(), map.next_value()?));
                    }
                    if !names.insert(name.clone()) {
                        raw.duplicate.get_or_insert(name);
                    }
                }
                Ok(raw)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}
