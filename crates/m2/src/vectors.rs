//! Files of vectors, written row by row, that survive a kill: JSON Lines, NumPy, safetensors.

use std::path::Path;

use m2_ir::{DType, f16_to_f32, f32_to_f16};
use serde_json::{Value, json};

use crate::{
    Error, TextInfo,
    files::{
        FileError,
        npy::NpyWriter,
        part::{PartFile, PartOptions},
    },
};

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VectorFormat {
    /// One JSON object a line: `id`, `embedding`, `tokens`, `cut`.
    JsonLines,
    /// A NumPy matrix (n, H).
    Npy,
    /// A tensor `embeddings` (n, H); the number of rows has to be known from the start.
    Safetensors,
}

impl VectorFormat {
    /// The kind that a file's name says.
    ///
    /// # Errors
    /// When the name ends in none of `.jsonl`, `.npy`, `.safetensors`.
    pub fn of(path: &Path) -> Result<Self, Error> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("jsonl" | "ndjson") => Ok(VectorFormat::JsonLines),
            Some("npy") => Ok(VectorFormat::Npy),
            Some("safetensors") => Ok(VectorFormat::Safetensors),
            other => {
                let found = other.map_or("no extension".to_owned(), |e| format!("`.{e}`"));
                let (file, expected) = (path.display().to_string(), ".jsonl, .npy or .safetensors");
                Err(FileError::malformed(&file, "file name", found, expected, "").into())
            }
        }
    }
}

/// What a file of vectors is told about itself.
#[derive(Clone, Debug)]
pub struct VectorFile {
    /// Everything that its rows depend on: another run goes on with it under the same key only.
    pub key: String,
    /// f32 or f16.
    pub dtype: DType,
    /// H: values of a row.
    pub width: usize,
    /// Number of rows, where it is known.
    pub rows: Option<u64>,
    /// Padding of the texts: `max`, `none` or a number of tokens.
    pub padding: String,
    /// Whether every JSON line says the padding, as it does where it is not the model's own.
    pub say_padding: bool,
}

/// A file of vectors in progress.
pub struct VectorWriter {
    out: Out,
    about: VectorFile,
    buffer: Vec<u8>,
}

enum Out {
    Json(PartFile),
    Npy(NpyWriter),
    Safetensors(PartFile),
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct VectorRow<'a> {
    /// What the input calls the text; its number where it calls it nothing.
    pub id: &'a Value,
    /// The vector.
    pub vector: &'a [f32],
    /// What became of the text.
    pub info: TextInfo,
}

impl VectorWriter {
    /// Begins a file, or goes on with one (`resume`) where there is one to go on with.
    ///
    /// # Errors
    /// When the folder cannot be written, another process writes the file, the file was begun with
    /// other settings, or safetensors is asked for without a number of rows.
    pub fn open(path: &Path, about: VectorFile, resume: bool) -> Result<Self, Error> {
        let options = PartOptions::default();
        let format = VectorFormat::of(path)?;
        let (key, dtype, width) = (about.key.as_str(), about.dtype, about.width);
        let out = match format {
            VectorFormat::Npy => {
                let old = match resume {
                    true => NpyWriter::resume(path, key, dtype, width, options)?,
                    false => None,
                };
                Out::Npy(match old {
                    Some(writer) => writer,
                    None => NpyWriter::create(path, key, dtype, width, options)?,
                })
            }
            VectorFormat::JsonLines => {
                let key = format!("{key}, jsonl {dtype} x {width}");
                Out::Json(part(path, &key, &[], options, resume)?)
            }
            VectorFormat::Safetensors => {
                let Some(rows) = about.rows else {
                    return Err(FileError::malformed(
                        &path.display().to_string(),
                        "",
                        "an input whose texts cannot be counted first",
                        "a file",
                        "name an input file, or write .jsonl or .npy",
                    )
                    .into());
                };
                let key = format!("{key}, safetensors {dtype} {rows} x {width}");
                Out::Safetensors(part(
                    path,
                    &key,
                    &safetensors_header(&about, rows),
                    options,
                    resume,
                )?)
            }
        };
        Ok(VectorWriter { out, about, buffer: Vec::new() })
    }

    /// Rows written so far, those of earlier runs included.
    pub fn rows(&self) -> u64 {
        match &self.out {
            Out::Json(part) | Out::Safetensors(part) => part.rows(),
            Out::Npy(writer) => writer.rows(),
        }
    }

    /// Appends a row.
    ///
    /// # Errors
    /// When the disk is full; the message says how many rows are safe.
    pub fn append(&mut self, row: VectorRow<'_>) -> Result<(), Error> {
        match &mut self.out {
            Out::Json(part) => {
                self.buffer.clear();
                json_line(&mut self.buffer, row, &self.about);
                part.append(1, &self.buffer)?;
            }
            Out::Npy(writer) => writer.append(row.vector)?,
            Out::Safetensors(part) => {
                self.buffer.clear();
                for &v in row.vector {
                    match self.about.dtype {
                        DType::F16 => self.buffer.extend(f32_to_f16(v).to_le_bytes()),
                        _ => self.buffer.extend(v.to_le_bytes()),
                    }
                }
                part.append(1, &self.buffer)?;
            }
        }
        Ok(())
    }

    /// Makes everything written so far safe.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn checkpoint(&mut self) -> Result<(), Error> {
        match &mut self.out {
            Out::Json(part) | Out::Safetensors(part) => part.checkpoint()?,
            Out::Npy(writer) => writer.checkpoint()?,
        }
        Ok(())
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// When the disk is full, or there are other than the promised number of rows.
    pub fn finish(self) -> Result<(), Error> {
        match self.out {
            Out::Json(part) => part.finish(None)?,
            Out::Npy(writer) => writer.finish()?,
            Out::Safetensors(part) => {
                let promised = self.about.rows.unwrap_or_default();
                if part.rows() != promised {
                    let found = format!("{} rows", part.rows());
                    let help = "the input changed while it was read: run again";
                    return Err(FileError::malformed(
                        "output",
                        "",
                        found,
                        promised.to_string(),
                        help,
                    )
                    .into());
                }
                part.finish(None)?;
            }
        }
        Ok(())
    }
}

fn part(
    path: &Path,
    key: &str,
    header: &[u8],
    options: PartOptions,
    resume: bool,
) -> Result<PartFile, Error> {
    if resume && let Some(part) = PartFile::resume(path, key, options)? {
        return Ok(part);
    }
    Ok(PartFile::create(path, key, header, options)?)
}

/// Appends one JSON line.
pub fn json_line(out: &mut Vec<u8>, row: VectorRow<'_>, about: &VectorFile) {
    let TextInfo { tokens, cut } = row.info;
    out.extend(format!("{{\"id\":{},\"embedding\":[", row.id).into_bytes());
    for (i, &v) in row.vector.iter().enumerate() {
        let v = if about.dtype == DType::F16 { f16_to_f32(f32_to_f16(v)) } else { v };
        if i > 0 {
            out.push(b',');
        }
        // The shortest decimal that reads back as the same number. Writing to memory cannot fail.
        let _ = serde_json::to_writer(&mut *out, &v);
    }
    out.extend(format!("],\"tokens\":{tokens},\"cut\":{cut}").into_bytes());
    if about.say_padding {
        out.extend(format!(",\"pad\":{}", json!(about.padding)).into_bytes());
    }
    out.extend(b"}\n");
}

fn safetensors_header(about: &VectorFile, rows: u64) -> Vec<u8> {
    let bytes = rows * (about.width * about.dtype.size()) as u64;
    let header = json!({
        "__metadata__": {"format": "pt", "padding": about.padding},
        "embeddings": {
            "dtype": if about.dtype == DType::F16 { "F16" } else { "F32" },
            "shape": [rows, about.width],
            "data_offsets": [0, bytes],
        },
    });
    let mut text = header.to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    [&(text.len() as u64).to_le_bytes()[..], &text].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{npy, safetensors::Safetensors};

    fn about(dtype: DType) -> VectorFile {
        VectorFile {
            key: "k".into(),
            dtype,
            width: 3,
            rows: Some(2),
            padding: "none".into(),
            say_padding: false,
        }
    }

    fn write(path: &Path, dtype: DType) -> Result<(), Error> {
        let mut writer = VectorWriter::open(path, about(dtype), false)?;
        for (i, vector) in [[0.1, -1.0, 1e-8], [3.5, 0.25, 7.0]].iter().enumerate() {
            let info = TextInfo { tokens: 4 + i, cut: i };
            writer.append(VectorRow { id: &json!(i), vector, info })?;
        }
        writer.finish()
    }

    #[test]
    fn every_format_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        write(&at("a.jsonl"), DType::F32).unwrap();
        let text = std::fs::read_to_string(at("a.jsonl")).unwrap();
        let first = r#"{"id":0,"embedding":[0.1,-1.0,1e-8],"tokens":4,"cut":0}"#;
        assert_eq!(text.lines().next(), Some(first));
        write(&at("a.npy"), DType::F32).unwrap();
        assert_eq!(npy::read(&at("a.npy")).unwrap().to_f32()[3], 3.5);
        for dtype in [DType::F32, DType::F16] {
            write(&at("a.safetensors"), dtype).unwrap();
            let file = Safetensors::open(&at("a.safetensors")).unwrap();
            let all = file.load_all(&Default::default()).unwrap();
            let t = &all["embeddings"];
            assert_eq!((t.shape(), t.dtype()), (&[2, 3][..], dtype));
            assert_eq!(t.to_f32()[3..], [3.5, 0.25, 7.0]);
            assert_eq!(file.metadata("padding"), Some("none"));
        }
        assert!(write(&at("a.txt"), DType::F32).is_err());
    }

    #[test]
    fn safetensors_need_a_known_number_of_rows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let unknown = VectorFile { rows: None, ..about(DType::F32) };
        assert!(VectorWriter::open(&path, unknown, false).is_err());
        let writer = VectorWriter::open(&path, about(DType::F32), false).unwrap();
        assert!(writer.finish().is_err());
        assert!(!path.exists());
    }
}
