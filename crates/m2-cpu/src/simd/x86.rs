//! AVX-512 and AVX2.

use std::arch::x86_64::*;

use super::Simd;

/// AVX-512: 8 × 48 accumulators in 24 of 32 registers.
#[derive(Clone, Copy)]
pub(crate) struct Avx512;

/// AVX2 with FMA: 4 × 24 accumulators in 12 of 16 registers.
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

// SAFETY (all blocks below): the caller vouches for the instructions and the pointers.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;
    const MR: usize = 8;
    const NV: usize = 3;
    // Part of a panel is larger than L1 either way, and L2 is 1 MiB where AVX-512 is.
    const KC: usize = 384;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: __m512) {
        unsafe { _mm512_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

// SAFETY (all blocks below): the caller vouches for the instructions and the pointers.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    const MR: usize = 4;
    const NV: usize = 3;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: __m256) {
        unsafe { _mm256_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn outer<const R: usize, const NV: usize>(
        sums: &mut [[__m256; NV]; R],
        a: *const f32,
        b: *const f32,
    ) {
        unsafe {
            if R == 4 && NV == 3 {
                outer_4x3(&mut *(&raw mut *sums).cast(), a, b);
            } else {
                super::outer::<Self, R, NV>(sums, a, b);
            }
        }
    }
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

/// [`Simd::outer`] of the full kernel, which needs all 16 registers: the compiler's order of
/// loads needs more and keeps sums on the stack, at half the speed.
///
/// # Safety
/// AVX2 and FMA are available; `a` is readable for 4 values, `b` for 24.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn outer_4x3(sums: &mut [[__m256; 3]; 4], a: *const f32, b: *const f32) {
    macro_rules! rows {
        ($(($r:literal, $x:literal, $c0:ident, $c1:ident, $c2:ident)),*) => {
            std::arch::asm!(
                "vmovups {b0}, [{b}]",
                "vmovups {b1}, [{b} + 32]",
                "vmovups {b2}, [{b} + 64]",
                $(
                    concat!("vbroadcastss {x}, dword ptr [{a} + ", $x, "]"),
                    concat!("vfmadd231ps {", stringify!($c0), "}, {x}, {b0}"),
                    concat!("vfmadd231ps {", stringify!($c1), "}, {x}, {b1}"),
                    concat!("vfmadd231ps {", stringify!($c2), "}, {x}, {b2}"),
                )*
                a = in(reg) a,
                b = in(reg) b,
                b0 = out(ymm_reg) _,
                b1 = out(ymm_reg) _,
                b2 = out(ymm_reg) _,
                x = out(ymm_reg) _,
                $(
                    $c0 = inout(ymm_reg) sums[$r][0],
                    $c1 = inout(ymm_reg) sums[$r][1],
                    $c2 = inout(ymm_reg) sums[$r][2],
                )*
                options(pure, readonly, nostack, preserves_flags)
            )
        };
    }
    // SAFETY: it reads what the caller vouches for and writes registers only.
    unsafe {
        rows!(
            (0, 0, c00, c01, c02),
            (1, 4, c10, c11, c12),
            (2, 8, c20, c21, c22),
            (3, 12, c30, c31, c32)
        );
    }
}
