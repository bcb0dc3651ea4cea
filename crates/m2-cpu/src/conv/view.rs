//! Row-major matrices seen through a leading dimension, and the rows of tokens inside them.

use super::LANES;
use std::marker::PhantomData;

/// One text inside the token axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// First token.
    pub offset: usize,
    /// Number of tokens; rows of 0 tokens are skipped.
    pub len: usize,
}

/// A read-only (T, channels) matrix, possibly some columns of a wider one.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    ptr: *const f32,
    len: usize,
    stride: usize,
    life: PhantomData<&'a [f32]>,
}

// SAFETY: it reads shared memory like a `&[f32]`.
unsafe impl Send for Matrix<'_> {}
// SAFETY: as above.
unsafe impl Sync for Matrix<'_> {}

impl<'a> Matrix<'a> {
    /// Element (t, h) is `data[t · stride + h]`.
    pub fn new(data: &'a [f32], stride: usize) -> Self {
        Self { ptr: data.as_ptr(), len: data.len(), stride, life: PhantomData }
    }

    /// Element (t, h) is `*ptr.add(t · stride + h)`, all of them below `len`.
    ///
    /// # Safety
    /// `ptr` is readable for `len` floats during `'a`, except while a call that was given this
    /// matrix and a [`MatrixMut`] over the same memory writes its own columns.
    pub unsafe fn from_raw(ptr: *const f32, len: usize, stride: usize) -> Self {
        Self { ptr, len, stride, life: PhantomData }
    }

    /// Where channel 0 of token `t` starts.
    #[inline(always)]
    pub(super) fn at(&self, t: usize) -> *const f32 {
        self.ptr.wrapping_add(t * self.stride)
    }

    /// Floats from one token to the next.
    #[inline(always)]
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Panics unless tokens below `tokens` have `channels` channels.
    pub(super) fn check(&self, name: &str, tokens: usize, channels: usize) {
        check(name, tokens, channels, self.len, self.stride);
    }
}

/// A (T, channels) matrix that several threads write, each its own channels.
#[derive(Clone, Copy, Debug)]
pub struct MatrixMut<'a> {
    ptr: *mut f32,
    len: usize,
    stride: usize,
    life: PhantomData<&'a mut [f32]>,
}

// SAFETY: writing needs an unsafe call whose caller keeps the written channels apart.
unsafe impl Send for MatrixMut<'_> {}
// SAFETY: as above.
unsafe impl Sync for MatrixMut<'_> {}

impl<'a> MatrixMut<'a> {
    /// Element (t, h) is `data[t · stride + h]`.
    pub fn new(data: &'a mut [f32], stride: usize) -> Self {
        Self { ptr: data.as_mut_ptr(), len: data.len(), stride, life: PhantomData }
    }

    /// Element (t, h) is `*ptr.add(t · stride + h)`, all of them below `len`.
    ///
    /// # Safety
    /// `ptr` is writable for `len` floats during `'a`.
    pub unsafe fn from_raw(ptr: *mut f32, len: usize, stride: usize) -> Self {
        Self { ptr, len, stride, life: PhantomData }
    }

    #[inline(always)]
    pub(super) fn at(&self, t: usize) -> *mut f32 {
        self.ptr.wrapping_add(t * self.stride)
    }

    pub(super) fn check(&self, name: &str, tokens: usize, channels: usize) {
        check(name, tokens, channels, self.len, self.stride);
    }
}

fn check(name: &str, tokens: usize, channels: usize, len: usize, stride: usize) {
    assert!(stride >= channels, "{name}: {channels} channels in rows of {stride}");
    let end = if tokens == 0 { 0 } else { (tokens - 1) * stride + channels };
    assert!(end <= len, "{name}: {tokens} tokens need {end} floats, found {len}");
}

/// One past the last token of any row; panics if a row is longer than `longest`.
pub(super) fn tokens(rows: &[Row], longest: usize) -> usize {
    for row in rows {
        assert!(row.len <= longest, "a row of {} tokens, the transform serves {longest}", row.len);
    }
    rows.iter().map(|row| if row.len == 0 { 0 } else { row.offset + row.len }).max().unwrap_or(0)
}

/// First channel and number of channels of a group; panics if there is no such group.
pub(super) fn span(group: usize, channels: usize) -> (usize, usize) {
    assert!(group < super::groups(channels), "group {group} of {channels} channels");
    (group * LANES, LANES.min(channels - group * LANES))
}
