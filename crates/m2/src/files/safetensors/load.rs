//! Loading tensors: each wanted byte is read once, in chunks, by several threads.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use m2_ir::HostTensor;
use m2_nn::finite::first_non_finite;

use super::{Safetensors, Shard, Source, TensorInfo};
use crate::files::{
    FileError,
    bytes::SharedRange,
    error::{DAMAGED, clip},
};

/// Tensors by name.
pub type TensorMap = BTreeMap<String, HostTensor>;

/// Which floating-point tensors are searched for NaN and infinity while they are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FiniteCheck {
    /// None: the caller looks itself.
    Never,
    /// Those that are read; whoever uses rows of a mapped tensor looks at them.
    Read,
    /// All, which touches every page of a mapped tensor: 2 ms for a 47 MB table in the file cache.
    #[default]
    All,
}

/// How tensors are loaded.
pub struct LoadOptions<'a> {
    /// Number of reading threads; 0 means one per core, at most 4.
    pub threads: usize,
    /// Which tensors, by name, stay mapped instead of being read: large tables of which a run
    /// touches a few rows. The file must not be written to while they are alive.
    pub map: &'a (dyn Fn(&str) -> bool + Sync),
    /// Search for NaN and infinity.
    pub finite: FiniteCheck,
}

impl Default for LoadOptions<'_> {
    fn default() -> Self {
        LoadOptions { threads: 0, map: &|_| false, finite: FiniteCheck::default() }
    }
}

impl Safetensors {
    /// Loads every tensor.
    ///
    /// # Errors
    /// As [`Safetensors::load`].
    pub fn load_all(&self, options: &LoadOptions<'_>) -> Result<TensorMap, FileError> {
        let names: Vec<&str> = self.tensors().map(|t| t.name.as_str()).collect();
        self.load(&names, options)
    }

    /// Loads the named tensors.
    ///
    /// # Errors
    /// [`FileError::Missing`] for a name the files lack, [`FileError::Malformed`] for an element
    /// type this library does not compute with, [`FileError::NonFinite`] for NaN and infinity (see
    /// [`LoadOptions::finite`]), [`FileError::Io`] when reading fails.
    pub fn load(&self, names: &[&str], options: &LoadOptions<'_>) -> Result<TensorMap, FileError> {
        let mut wanted: Vec<Vec<&TensorInfo>> = vec![Vec::new(); self.shards.len()];
        for &name in names {
            let Some(&(s, t)) = self.index.get(name) else {
                return Err(FileError::Missing {
                    file: self.file_of(name).to_owned(),
                    tensor: clip(name),
                    help: "the file belongs to another model, or is incomplete".to_owned(),
                });
            };
            wanted[s].push(&self.shards[s].header.tensors[t]);
        }
        let mut out = TensorMap::new();
        for (shard, mut tensors) in self.shards.iter().zip(wanted) {
            // In the order of the file, so that the disk is read forwards.
            tensors.sort_by_key(|t| t.bytes.start);
            tensors.dedup_by_key(|t| &t.name);
            shard.load(&tensors, options, &mut out)?;
        }
        Ok(out)
    }
}

impl Shard {
    fn load(
        &self,
        tensors: &[&TensorInfo],
        options: &LoadOptions<'_>,
        out: &mut TensorMap,
    ) -> Result<(), FileError> {
        if let Some(t) = tensors.iter().find(|t| t.dtype.is_none()) {
            return Err(FileError::malformed(
                &self.name,
                format!("tensor '{}'", clip(&t.name)),
                format!("dtype {}", t.dtype_name),
                "F32, F16, BF16, F64, I64, I32, U32, I8, U8 or BOOL",
                "convert the tensor to float32 with the tool that wrote it",
            ));
        }
        match &self.source {
            Source::Bytes(bytes) => {
                for t in tensors {
                    let tensor = self.view(t, bytes.clone())?;
                    if options.finite != FiniteCheck::Never {
                        self.check(t, 0, tensor.bytes())?;
                    }
                    out.insert(t.name.clone(), tensor);
                }
                Ok(())
            }
            #[cfg(not(target_arch = "wasm32"))]
            Source::File(file) => self.load_file(file, tensors, options, out),
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn load_file(
        &self,
        file: &crate::files::read::OpenFile,
        tensors: &[&TensorInfo],
        options: &LoadOptions<'_>,
        out: &mut TensorMap,
    ) -> Result<(), FileError> {
        use crate::files::{
            bytes::AlignedBytes,
            read::{Piece, run_pieces},
        };

        let (mapped, read): (Vec<&TensorInfo>, Vec<&TensorInfo>) =
            tensors.iter().partition(|t| (options.map)(&t.name) && !t.bytes.is_empty());
        let map: Option<Arc<dyn AsRef<[u8]> + Send + Sync>> =
            if mapped.is_empty() { None } else { Some(Arc::new(file.map()?)) };
        let mut views = Vec::new();
        if let Some(map) = &map {
            for t in &mapped {
                views.push(self.view(t, map.clone())?);
            }
        }
        let mut buffers: Vec<AlignedBytes> = read
            .iter()
            .map(|t| AlignedBytes::zeroed((t.bytes.end - t.bytes.start) as usize))
            .collect();
        let mut pieces = Vec::new();
        for (&t, buffer) in read.iter().zip(&mut buffers) {
            pieces.push((t, Piece::Read { file, offset: t.bytes.start, into: buffer.as_mut() }));
        }
        if options.finite == FiniteCheck::All {
            pieces.extend(mapped.iter().zip(&views).map(|(&t, v)| (t, Piece::Look(v.bytes()))));
        }
        let check = options.finite != FiniteCheck::Never;
        run_pieces(pieces, threads(options.threads), &|t: &TensorInfo, start, bytes| {
            if check { self.check(t, start, bytes) } else { Ok(()) }
        })?;
        for (t, buffer) in read.iter().zip(buffers) {
            out.insert(t.name.clone(), self.tensor(t, Arc::new(buffer))?);
        }
        out.extend(mapped.iter().map(|t| t.name.clone()).zip(views));
        Ok(())
    }

    /// A tensor that shares the bytes of the whole file.
    fn view(
        &self,
        t: &TensorInfo,
        owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    ) -> Result<HostTensor, FileError> {
        let range: Range<usize> = t.bytes.start as usize..t.bytes.end as usize;
        let have = (*owner).as_ref().len();
        if range.end > have {
            return Err(self.shorter(t, have));
        }
        self.tensor(t, Arc::new(SharedRange { owner, range }))
    }

    fn tensor(
        &self,
        t: &TensorInfo,
        bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
    ) -> Result<HostTensor, FileError> {
        let have = (*bytes).as_ref().len();
        match t.dtype.map(|dtype| HostTensor::new(dtype, t.shape.clone(), bytes)) {
            Some(Ok(tensor)) => Ok(tensor),
            _ => Err(self.shorter(t, have)),
        }
    }

    fn shorter(&self, t: &TensorInfo, have: usize) -> FileError {
        FileError::malformed(
            &self.name,
            format!("tensor '{}'", clip(&t.name)),
            format!("{have} bytes"),
            format!("bytes {:?} for shape {:?} of {}", t.bytes, t.shape, t.dtype_name),
            DAMAGED,
        )
    }

    /// Refuses NaN and infinity in `bytes`, which begin at byte `start` of tensor `t`.
    fn check(&self, t: &TensorInfo, start: usize, bytes: &[u8]) -> Result<(), FileError> {
        let Some(dtype) = t.dtype else { return Ok(()) };
        let Some(index) = first_non_finite(dtype, bytes) else { return Ok(()) };
        let size = dtype.size();
        let element = bytes[index * size..(index + 1) * size].to_vec();
        let value = HostTensor::new(dtype, vec![1], Arc::new(element))
            .map_or(f64::NAN, |element| element.to_f64()[0]);
        Err(FileError::NonFinite {
            file: self.name.clone(),
            tensor: t.name.clone(),
            index: start / size + index,
            value,
        })
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn threads(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, |n| n.get().min(4)),
        n => n,
    }
}
