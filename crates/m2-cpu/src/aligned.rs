//! A zeroed buffer aligned to a cache line, whose allocation may fail.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use bytemuck::Pod;

/// The alignment of every [`AlignedVec`], in bytes: a cache line and the widest vector.
pub const ALIGNMENT: usize = 64;

/// The allocator gave no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("out of memory: could not allocate {bytes} bytes")]
pub struct OutOfMemory {
    /// The size asked for; `usize::MAX` where the size itself overflowed.
    pub bytes: usize,
}

/// A buffer of fixed length, zeroed, aligned to [`ALIGNMENT`]; used as a slice.
#[derive(Debug)]
pub struct AlignedVec<T: Pod> {
    ptr: NonNull<T>,
    len: usize,
    /// The pages behind `ptr`, where the buffer is large.
    pages: Option<Pages>,
}

/// From this size on, in bytes, buffers are mapped: the system hands out zeroed pages, large ones
/// where it can, when they are first touched. A heap would clear the whole buffer beforehand.
const MAPPED: usize = 1 << 20;

#[cfg(unix)]
type Pages = memmap2::MmapMut;
#[cfg(not(unix))]
type Pages = std::convert::Infallible;

/// Zeroed pages; none where the system has no such thing.
#[cfg(unix)]
fn map(bytes: usize) -> Option<Pages> {
    let pages = memmap2::MmapMut::map_anon(bytes).ok()?;
    // Only advice: a kernel without large pages refuses it, and nothing is lost.
    #[cfg(target_os = "linux")]
    let _ = pages.advise(memmap2::Advice::HugePage);
    Some(pages)
}

#[cfg(not(unix))]
fn map(_: usize) -> Option<Pages> {
    None
}

#[cfg(unix)]
fn start(pages: &mut Pages) -> *mut u8 {
    pages.as_mut_ptr()
}

#[cfg(not(unix))]
fn start(pages: &mut Pages) -> *mut u8 {
    match *pages {}
}

// SAFETY: the buffer is owned, and `Pod` values have no ties to a thread.
unsafe impl<T: Pod + Send> Send for AlignedVec<T> {}
// SAFETY: shared access only reads.
unsafe impl<T: Pod + Sync> Sync for AlignedVec<T> {}

impl<T: Pod> AlignedVec<T> {
    /// A zeroed buffer of `len` values.
    ///
    /// # Errors
    /// [`OutOfMemory`] where the size overflows or the allocator refuses.
    pub fn try_zeroed(len: usize) -> Result<Self, OutOfMemory> {
        if len == 0 || size_of::<T>() == 0 {
            return Ok(Self { ptr: Self::dangling(), len, pages: None });
        }
        let layout = Self::layout(len).ok_or(OutOfMemory { bytes: usize::MAX })?;
        if layout.size() >= MAPPED
            && layout.align() <= 4096
            && let Some(mut pages) = map(layout.size())
            && let Some(ptr) = NonNull::new(start(&mut pages).cast::<T>())
        {
            return Ok(Self { ptr, len, pages: Some(pages) });
        }
        // SAFETY: the layout's size is not zero.
        let ptr = unsafe { alloc_zeroed(layout) };
        match NonNull::new(ptr.cast::<T>()) {
            Some(ptr) => Ok(Self { ptr, len, pages: None }),
            None => Err(OutOfMemory { bytes: layout.size() }),
        }
    }

    /// A copy of `values`.
    ///
    /// # Errors
    /// [`OutOfMemory`] as [`Self::try_zeroed`].
    pub fn try_from_slice(values: &[T]) -> Result<Self, OutOfMemory> {
        let mut copy = Self::try_zeroed(values.len())?;
        copy.copy_from_slice(values);
        Ok(copy)
    }

    fn layout(len: usize) -> Option<Layout> {
        let align = ALIGNMENT.max(align_of::<T>());
        Layout::array::<T>(len).ok()?.align_to(align).ok()
    }

    /// An aligned address for buffers without storage.
    fn dangling() -> NonNull<T> {
        let align = ALIGNMENT.max(align_of::<T>());
        NonNull::new(std::ptr::without_provenance_mut(align)).unwrap_or(NonNull::dangling())
    }
}

impl<T: Pod> Drop for AlignedVec<T> {
    fn drop(&mut self) {
        if self.len == 0 || size_of::<T>() == 0 || self.pages.is_some() {
            return;
        }
        if let Some(layout) = Self::layout(self.len) {
            // SAFETY: `try_zeroed` allocated exactly this layout.
            unsafe { dealloc(self.ptr.as_ptr().cast(), layout) }
        }
    }
}

impl<T: Pod> Deref for AlignedVec<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `ptr` is valid for `len` values, initialised since zero is a `Pod` value.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }
}

impl<T: Pod> DerefMut for AlignedVec<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_zeroed_and_aligned() {
        for len in [0, 1, 7, 64, 100_001, 1 << 20] {
            let mut v = AlignedVec::<f32>::try_zeroed(len).unwrap();
            assert_eq!(v.len(), len);
            assert_eq!(v.as_ptr().addr() % ALIGNMENT, 0);
            assert!(v.iter().all(|x| x.to_bits() == 0));
            v.fill(f32::NAN);
        }
    }

    #[test]
    fn copies_hold_the_values() {
        let v = AlignedVec::try_from_slice(&[1.0f64, -2.0, 3.5]).unwrap();
        assert_eq!(&v[..], &[1.0, -2.0, 3.5]);
    }

    #[test]
    fn impossible_sizes_are_errors() {
        let error = AlignedVec::<f32>::try_zeroed(usize::MAX).unwrap_err();
        assert_eq!(error.bytes, usize::MAX);
        assert!(AlignedVec::<f32>::try_zeroed(isize::MAX as usize / 4 - 64).is_err());
    }
}
