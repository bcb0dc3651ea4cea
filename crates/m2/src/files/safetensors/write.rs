//! Writing safetensors files.

use std::collections::BTreeMap;
use std::io::{self, Write};

use m2_ir::{DType, HostTensor};
use serde_json::{Map, Value, json};

/// A whole file in memory. The arguments are those of `write`.
pub fn to_bytes<'a>(
    tensors: impl IntoIterator<Item = (&'a str, &'a HostTensor)>,
    metadata: &BTreeMap<String, String>,
) -> Vec<u8> {
    let mut out = Vec::new();
    write_to(&mut out, &order(tensors), metadata).expect("writing to memory does not fail");
    out
}

/// Writes a file that appears at once, under its final name, or not at all.
///
/// Tensors are ordered by falling alignment and then by name, as the reference implementation
/// does. `metadata` gains `"format": "pt"` unless it has a format: older versions of transformers
/// refuse files without it. A name given twice is written once, with the later tensor.
///
/// # Errors
/// [`FileError::Io`](crate::files::FileError::Io) when the disk is full or the folder cannot be
/// written; a file that was there before stays as it was.
#[cfg(not(target_arch = "wasm32"))]
pub fn write<'a>(
    path: &std::path::Path,
    tensors: impl IntoIterator<Item = (&'a str, &'a HostTensor)>,
    metadata: &BTreeMap<String, String>,
) -> Result<(), crate::files::FileError> {
    let tensors = order(tensors);
    crate::files::atomic::write(path, |out| write_to(out, &tensors, metadata))
}

fn order<'a>(
    tensors: impl IntoIterator<Item = (&'a str, &'a HostTensor)>,
) -> Vec<(&'a str, &'a HostTensor)> {
    let unique: BTreeMap<&str, &HostTensor> = tensors.into_iter().collect();
    let mut list: Vec<_> = unique.into_iter().collect();
    list.sort_by_key(|(_, t)| std::cmp::Reverse(t.dtype().size()));
    list
}

fn write_to(
    out: &mut (impl Write + ?Sized),
    tensors: &[(&str, &HostTensor)],
    metadata: &BTreeMap<String, String>,
) -> io::Result<()> {
    let mut strings = metadata.clone();
    strings.entry("format".to_owned()).or_insert_with(|| "pt".to_owned());
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!(strings));
    let mut at = 0;
    for (name, tensor) in tensors {
        let end = at + tensor.bytes().len();
        let entry = json!({
            "dtype": dtype_name(tensor.dtype())?,
            "shape": tensor.shape(),
            "data_offsets": [at, end],
        });
        header.insert((*name).to_owned(), entry);
        at = end;
    }
    let mut json = Value::Object(header).to_string().into_bytes();
    // Spaces up to a multiple of 8 align the data.
    json.resize(json.len().next_multiple_of(8), b' ');
    out.write_all(&(json.len() as u64).to_le_bytes())?;
    out.write_all(&json)?;
    tensors.iter().try_for_each(|(_, tensor)| out.write_all(tensor.bytes()))
}

fn dtype_name(dtype: DType) -> io::Result<&'static str> {
    Ok(match dtype {
        DType::F32 => "F32",
        DType::F16 => "F16",
        DType::BF16 => "BF16",
        DType::F64 => "F64",
        DType::I32 => "I32",
        DType::U32 => "U32",
        DType::I64 => "I64",
        DType::I8 => "I8",
        DType::U8 => "U8",
        other => {
            let what = format!("safetensors has no name for element type {other}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
    })
}
