//! Owners of tensor bytes: an aligned buffer, and a range of a shared one.

use std::{ops::Range, sync::Arc};

/// Zeroed bytes aligned to 8, so that they can be viewed as any element type.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) struct AlignedBytes {
    words: Vec<u64>,
    len: usize,
}

#[cfg(not(target_arch = "wasm32"))]
impl AlignedBytes {
    /// A buffer of `len` zero bytes. Large ones are untouched pages until they are written.
    pub fn zeroed(len: usize) -> Self {
        AlignedBytes { words: vec![0; len.div_ceil(8)], len }
    }

    /// The bytes, to be filled.
    pub fn as_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[..self.len]
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl AsRef<[u8]> for AlignedBytes {
    fn as_ref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }
}

/// A range of bytes that several tensors share.
pub(crate) struct SharedRange {
    pub owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    /// Lies within the owner's bytes.
    pub range: Range<usize>,
}

impl AsRef<[u8]> for SharedRange {
    fn as_ref(&self) -> &[u8] {
        &(*self.owner).as_ref()[self.range.clone()]
    }
}
