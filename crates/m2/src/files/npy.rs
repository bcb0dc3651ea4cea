//! NumPy's `.npy` files: matrices of vectors, written row by row, and arrays read back.

use std::{borrow::Cow, path::Path, sync::Arc};

use m2_ir::{DType, HostTensor, f32_to_f16};

use super::{
    FileError,
    bytes::AlignedBytes,
    error::{DAMAGED, clip},
    part::{PartFile, PartOptions},
    read::OpenFile,
};

/// Length of the header that is written: fixed, so that the number of rows can change in place.
const HEADER: usize = 128;
/// Longest header that is read.
const MAX_HEADER: u64 = 1 << 20;
const MAGIC: &[u8] = b"\x93NUMPY";

/// Writes a matrix (rows, width) of f32 or f16 that survives a kill, see [`PartFile`].
pub struct NpyWriter {
    part: PartFile,
    dtype: DType,
    width: usize,
}

impl NpyWriter {
    /// Begins a matrix. `key` stands for everything that its rows depend on.
    ///
    /// # Errors
    /// As [`PartFile::create`]; [`FileError::Malformed`] when `dtype` is neither f32 nor f16.
    pub fn create(
        path: &Path,
        key: &str,
        dtype: DType,
        width: usize,
        options: PartOptions,
    ) -> Result<Self, FileError> {
        if !matches!(dtype, DType::F32 | DType::F16) {
            let file = path.display().to_string();
            return Err(FileError::malformed(&file, "", dtype.name(), "f32 or f16", ""));
        }
        let key = full_key(key, dtype, width);
        let part = PartFile::create(path, &key, &header(dtype, 0, width), options)?;
        Ok(NpyWriter { part, dtype, width })
    }

    /// Goes on with a matrix that was begun with the same arguments; [`NpyWriter::rows`] says where.
    ///
    /// # Errors
    /// As [`PartFile::resume`].
    pub fn resume(
        path: &Path,
        key: &str,
        dtype: DType,
        width: usize,
        options: PartOptions,
    ) -> Result<Option<Self>, FileError> {
        let part = PartFile::resume(path, &full_key(key, dtype, width), options)?;
        Ok(part.map(|part| NpyWriter { part, dtype, width }))
    }

    /// Rows appended so far, those of earlier runs included.
    pub fn rows(&self) -> u64 {
        self.part.rows()
    }

    /// Appends rows, (n, width) row-major; f16 is rounded to nearest even.
    ///
    /// # Errors
    /// As [`PartFile::append`]; [`FileError::Malformed`] when `values` are no whole rows.
    pub fn append(&mut self, values: &[f32]) -> Result<(), FileError> {
        if self.width == 0 || !values.len().is_multiple_of(self.width) {
            let found = format!("{} values", values.len());
            let expected = format!("rows of {}", self.width);
            return Err(FileError::malformed("output", "row", found, expected, ""));
        }
        let bytes: Cow<'_, [u8]> = match self.dtype {
            DType::F16 => values.iter().flat_map(|&v| f32_to_f16(v).to_le_bytes()).collect(),
            _ if cfg!(target_endian = "little") => bytemuck::cast_slice(values).into(),
            _ => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        };
        self.part.append((values.len() / self.width) as u64, &bytes)
    }

    /// Makes everything appended so far safe.
    ///
    /// # Errors
    /// As [`PartFile::append`].
    pub fn checkpoint(&mut self) -> Result<(), FileError> {
        self.part.checkpoint()
    }

    /// Writes the number of rows into the header and gives the file its name.
    ///
    /// # Errors
    /// As [`PartFile::append`].
    pub fn finish(self) -> Result<(), FileError> {
        let header = header(self.dtype, self.part.rows(), self.width);
        self.part.finish(Some(&header))
    }
}

fn full_key(key: &str, dtype: DType, width: usize) -> String {
    format!("{key}, npy {dtype} x {width}")
}

/// A version 1 header of 128 bytes.
fn header(dtype: DType, rows: u64, width: usize) -> [u8; HEADER] {
    let descr = if dtype == DType::F16 { "<f2" } else { "<f4" };
    let text =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {width}), }}");
    let mut out = [b' '; HEADER];
    out[..6].copy_from_slice(MAGIC);
    out[6..8].copy_from_slice(&[1, 0]);
    out[8..10].copy_from_slice(&(HEADER as u16 - 10).to_le_bytes());
    // Two numbers of 20 digits leave room.
    out[10..10 + text.len()].copy_from_slice(text.as_bytes());
    out[HEADER - 1] = b'\n';
    out
}

/// Reads an array of floats or integers, little-endian and row-major.
///
/// # Errors
/// [`FileError::Malformed`] when the header lies or the array is of another kind;
/// [`FileError::Io`] when the file cannot be read.
pub fn read(path: &Path) -> Result<HostTensor, FileError> {
    let file = OpenFile::open(path)?;
    let name = path.display().to_string();
    let bad = |item: &str, found: String, expected: &str| {
        FileError::malformed(&name, item, found, expected, DAMAGED)
    };
    let mut start = [0; 12];
    let start = &mut start[..file.len.min(12) as usize];
    file.read_exact_at(start, 0)?;
    let (at, len) = match *start {
        [.., 1, _, a, b, _, _] if start.starts_with(MAGIC) => {
            (10, u64::from(u16::from_le_bytes([a, b])))
        }
        [.., 2 | 3, _, a, b, c, d] if start.starts_with(MAGIC) => {
            (12, u64::from(u32::from_le_bytes([a, b, c, d])))
        }
        _ => return Err(bad("", "another format".into(), "a NumPy array, version 1 to 3")),
    };
    if len > MAX_HEADER.min(file.len - at.min(file.len)) {
        return Err(bad("header length", len.to_string(), "a header inside the file"));
    }
    let mut text = vec![0; len as usize];
    file.read_exact_at(&mut text, at)?;
    let text = String::from_utf8_lossy(&text);
    let Some((descr, fortran, shape)) = parse(&text) else {
        return Err(bad("header", clip(&text), "descr, fortran_order and shape"));
    };
    let dtype = match descr {
        "<f4" => DType::F32,
        "<f2" => DType::F16,
        "<f8" => DType::F64,
        "<i8" => DType::I64,
        "<i4" => DType::I32,
        "<u4" => DType::U32,
        "|i1" => DType::I8,
        "|u1" | "|b1" => DType::U8,
        other => {
            let expected =
                "little-endian floats or integers: <f4, <f2, <f8, <i8, <i4, <u4, |i1, |u1";
            let help = "save it with np.save(file, array.astype('float32'))";
            return Err(FileError::malformed(&name, "descr", clip(other), expected, help));
        }
    };
    if fortran && shape.len() > 1 {
        let help = "save it with np.save(file, np.ascontiguousarray(array))";
        return Err(FileError::malformed(&name, "", "column-major order", "row-major", help));
    }
    let size = shape.iter().try_fold(dtype.size() as u64, |n, &d| n.checked_mul(d as u64));
    let data = file.len - at - len;
    if size != Some(data) {
        let found = format!("{data} bytes of data");
        return Err(bad("", found, &format!("a {dtype} array of shape {shape:?}")));
    }
    let mut bytes = AlignedBytes::zeroed(data as usize);
    file.read_exact_at(bytes.as_mut(), at + len)?;
    HostTensor::new(dtype, shape, Arc::new(bytes))
        .map_err(|e| bad("", e.to_string(), "an array that fits its file"))
}

/// `descr`, `fortran_order` and `shape` of a header, which is a Python dictionary.
fn parse(text: &str) -> Option<(&str, bool, Vec<usize>)> {
    let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    while !rest.is_empty() {
        let (key, after) = quoted(rest)?;
        let value = after.trim_start().strip_prefix(':')?.trim_start();
        rest = match key {
            "descr" => {
                let (text, after) = quoted(value)?;
                descr = Some(text);
                after
            }
            "fortran_order" => {
                fortran = Some(value.starts_with("True"));
                value.strip_prefix("True").or_else(|| value.strip_prefix("False"))?
            }
            "shape" => {
                let (inside, after) = value.strip_prefix('(')?.split_once(')')?;
                let sizes = inside.split(',').map(str::trim).filter(|s| !s.is_empty());
                shape = Some(sizes.map(|s| s.parse().ok()).collect::<Option<Vec<usize>>>()?);
                after
            }
            _ => return None,
        };
        rest = rest.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Some((descr?, fortran?, shape?))
}

fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn with_header(text: &str, data: usize) -> Vec<u8> {
        let mut out = b"\x93NUMPY\x01\x00".to_vec();
        out.extend((text.len() as u16).to_le_bytes());
        out.extend(text.as_bytes());
        out.resize(out.len() + data, 0);
        out
    }

    fn read_bytes(bytes: &[u8]) -> Result<HostTensor, FileError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.npy");
        fs::write(&path, bytes).unwrap();
        read(&path)
    }

    #[test]
    fn matrices_round_trip_and_resume() {
        let dir = tempfile::tempdir().unwrap();
        let options = PartOptions { every_rows: 1, ..PartOptions::default() };
        let rows: Vec<f32> = (0..21).map(|i| i as f32 / 8.0 - 1.0).collect();
        for (dtype, size) in [(DType::F32, 4), (DType::F16, 2)] {
            let path = dir.path().join(dtype.name());
            let mut w = NpyWriter::create(&path, "k", dtype, 3, options).unwrap();
            w.append(&rows[..6]).unwrap();
            assert!(w.append(&rows[..4]).unwrap_err().to_string().contains("rows of 3"));
            drop(w);
            let other = NpyWriter::resume(&path, "k", dtype, 4, options).err().unwrap();
            assert!(other.to_string().contains("npy"), "{other}");
            let mut w = NpyWriter::resume(&path, "k", dtype, 3, options).unwrap().unwrap();
            assert_eq!(w.rows(), 2);
            w.append(&rows[6..]).unwrap();
            w.finish().unwrap();
            assert_eq!(fs::metadata(&path).unwrap().len(), 128 + 21 * size);
            let back = read(&path).unwrap();
            assert_eq!((back.dtype(), back.shape()), (dtype, &[7, 3][..]));
            assert_eq!(&*back.to_f32(), rows);
        }
        assert!(NpyWriter::create(&dir.path().join("x"), "k", DType::I64, 3, options).is_err());
    }

    #[test]
    fn what_numpy_writes_is_read() {
        let one = with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n", 16);
        assert_eq!(read_bytes(&one).unwrap().shape(), &[2]);
        let scalar = with_header("{'descr': '<i8', 'fortran_order': False, 'shape': (), }\n", 8);
        assert_eq!(read_bytes(&scalar).unwrap().shape(), &[] as &[usize]);
    }

    #[test]
    fn liars_are_refused() {
        let cases = [
            ("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", 8, "float32"),
            ("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }", 8, "ascontiguous"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 8, "8 bytes of data"),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999, 4), }",
                8,
                "bytes of data",
            ),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
                8,
                "fortran_order and shape",
            ),
            ("{'descr': '<f4', 'shape': (2,), }", 8, "fortran_order and shape"),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", 8, "descr,"),
            ("__import__('os').system('ls')", 0, "descr,"),
        ];
        for (text, data, reason) in cases {
            let e = read_bytes(&with_header(text, data)).unwrap_err().to_string();
            assert!(e.contains(reason) && e.contains("x.npy"), "{text}: {e}");
        }
    }

    #[test]
    fn damaged_files_never_panic() {
        let mut good = header(DType::F32, 2, 3).to_vec();
        good.resize(128 + 24, 1);
        read_bytes(&good).unwrap();
        for at in 0..good.len() {
            assert!(read_bytes(&good[..at]).is_err(), "cut at {at}");
            for flip in [1, 0x80, 0xff] {
                let mut bytes = good.clone();
                bytes[at] ^= flip;
                if let Err(e) = read_bytes(&bytes) {
                    assert!(e.to_string().contains("x.npy"), "{e}");
                }
            }
        }
    }
}
