//! Four lanes without asking: SSE2, which every x86-64 has, SIMD of wasm where it is compiled in,
//! else arrays.

use super::Simd;

/// 4 × 8 accumulators, what 16 registers of four lanes hold.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

#[cfg(target_arch = "x86_64")]
mod lanes {
    pub(super) use std::arch::x86_64::{
        __m128 as V, _mm_add_ps as add, _mm_loadu_ps as load, _mm_mul_ps as mul,
        _mm_set1_ps as splat, _mm_storeu_ps as store,
    };
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod lanes {
    pub(super) use std::arch::wasm32::{
        f32x4_add as add, f32x4_mul as mul, f32x4_splat as splat, v128 as V, v128_load, v128_store,
    };

    #[inline(always)]
    pub(super) unsafe fn load(p: *const f32) -> V {
        // SAFETY: the caller vouches for four readable values.
        unsafe { v128_load(p.cast()) }
    }

    #[inline(always)]
    pub(super) unsafe fn store(p: *mut f32, v: V) {
        // SAFETY: the caller vouches for four writable values.
        unsafe { v128_store(p.cast(), v) }
    }
}

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
mod lanes {
    pub(super) type V = [f32; 4];

    #[inline(always)]
    pub(super) fn splat(x: f32) -> V {
        [x; 4]
    }

    #[inline(always)]
    pub(super) unsafe fn load(p: *const f32) -> V {
        // SAFETY: the caller vouches for four readable values.
        unsafe { p.cast::<V>().read_unaligned() }
    }

    #[inline(always)]
    pub(super) unsafe fn store(p: *mut f32, v: V) {
        // SAFETY: the caller vouches for four writable values.
        unsafe { p.cast::<V>().write_unaligned(v) }
    }

    #[inline(always)]
    pub(super) fn add(a: V, b: V) -> V {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    pub(super) fn mul(a: V, b: V) -> V {
        std::array::from_fn(|i| a[i] * b[i])
    }
}

// SAFETY (all blocks below): the instructions are part of the target, and the caller vouches for
// the pointers.
#[allow(clippy::undocumented_unsafe_blocks)]
// Which of the functions are unsafe depends on the target.
#[allow(unused_unsafe)]
impl Simd for Portable {
    type V = lanes::V;
    const LANES: usize = 4;
    const MR: usize = 4;
    const NV: usize = 2;

    #[inline(always)]
    unsafe fn splat(x: f32) -> lanes::V {
        unsafe { lanes::splat(x) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> lanes::V {
        unsafe { lanes::load(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: lanes::V) {
        unsafe { lanes::store(p, v) }
    }
    #[inline(always)]
    unsafe fn fma(a: lanes::V, b: lanes::V, c: lanes::V) -> lanes::V {
        unsafe { lanes::add(lanes::mul(a, b), c) }
    }
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        // Without the instruction a fused operation is a library call.
        a * b + c
    }
}
