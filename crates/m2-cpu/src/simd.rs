//! One vector of f32 per instruction set: the few operations the kernels are written in.
//!
//! The methods are inlined into functions compiled with the instructions (see `multiversion` in
//! [`isa`](crate::isa)); anywhere else they would be calls, and undefined without the hardware.

/// The vector operations of one instruction set.
pub(crate) trait Simd: Copy {
    /// A vector register.
    type V: Copy;
    /// Values in one vector.
    const LANES: usize;
    /// Rows of the GEMM micro-kernel.
    const MR: usize;
    /// Vectors per row of the GEMM micro-kernel.
    const NV: usize;
    /// Columns of the GEMM micro-kernel.
    const NR: usize = Self::NV * Self::LANES;

    /// All lanes `x`.
    ///
    /// # Safety
    /// The instruction set is available. The same holds for every method below.
    unsafe fn splat(x: f32) -> Self::V;

    /// Reads one vector.
    ///
    /// # Safety
    /// `p` is readable for [`Self::LANES`] values; no alignment is needed.
    unsafe fn load(p: *const f32) -> Self::V;

    /// Writes one vector.
    ///
    /// # Safety
    /// `p` is writable for [`Self::LANES`] values; no alignment is needed.
    unsafe fn store(p: *mut f32, v: Self::V);

    /// `a * b + c` per lane, with one rounding except in [`Portable`].
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;

    /// One term of the GEMM micro-kernel: adds the outer product of `R` values at `a` and `NV`
    /// vectors at `b` to `sums`.
    ///
    /// # Safety
    /// The instruction set is available; `a` and `b` are readable for that many values.
    #[inline(always)]
    unsafe fn outer<const R: usize, const NV: usize>(
        sums: &mut [[Self::V; NV]; R],
        a: *const f32,
        b: *const f32,
    ) {
        // SAFETY: passed on.
        unsafe { outer::<Self, R, NV>(sums, a, b) }
    }

    /// `a * b + c` of scalars, for loops the compiler vectorises; rounds like [`Self::fma`].
    fn mul_add(a: f32, b: f32, c: f32) -> f32;
}

/// Asks for the cache line at `p` in L2; `p` need not be readable.
#[inline(always)]
pub(crate) fn prefetch(p: *const f32) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: SSE is part of x86-64, and a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch of any address is harmless.
    unsafe {
        std::arch::asm!(
            "prfm pldl2keep, [{p}]",
            p = in(reg) p,
            options(nostack, readonly, preserves_flags)
        );
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = p;
}

/// [`Simd::outer`] in the order the compiler likes.
///
/// # Safety
/// As [`Simd::outer`].
#[inline(always)]
unsafe fn outer<S: Simd, const R: usize, const NV: usize>(
    sums: &mut [[S::V; NV]; R],
    a: *const f32,
    b: *const f32,
) {
    // SAFETY: the caller vouches for the values.
    unsafe {
        let mut columns = [S::splat(0.0); NV];
        for (v, column) in columns.iter_mut().enumerate() {
            *column = S::load(b.add(v * S::LANES));
        }
        for (r, row) in sums.iter_mut().enumerate() {
            let x = S::splat(*a.add(r));
            for (sum, column) in row.iter_mut().zip(columns) {
                *sum = S::fma(x, column, *sum);
            }
        }
    }
}

/// AVX-512: 8 × 48 accumulators in 24 of 32 registers.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx512;

/// AVX2 with FMA: 4 × 24 accumulators in 12 of 16 registers.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// NEON: 8 × 12 accumulators in 24 of 32 registers.
#[cfg(target_arch = "aarch64")]
#[derive(Clone, Copy)]
pub(crate) struct Neon;

/// Plain arrays: 4 × 8 accumulators, what 16 registers of four lanes hold.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Avx2, Avx512, Simd};
    use std::arch::x86_64::*;

    // SAFETY (all blocks below): the caller vouches for the instructions and the pointers.
    #[allow(clippy::undocumented_unsafe_blocks)]
    impl Simd for Avx512 {
        type V = __m512;
        const LANES: usize = 16;
        const MR: usize = 8;
        const NV: usize = 3;

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
}

#[cfg(target_arch = "aarch64")]
// SAFETY (all blocks below): NEON is part of AArch64, and the caller vouches for the pointers.
#[allow(clippy::undocumented_unsafe_blocks)]
mod arm {
    use super::{Neon, Simd};
    use std::arch::aarch64::*;

    impl Simd for Neon {
        type V = float32x4_t;
        const LANES: usize = 4;
        const MR: usize = 8;
        const NV: usize = 3;

        #[inline(always)]
        unsafe fn splat(x: f32) -> float32x4_t {
            unsafe { vdupq_n_f32(x) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> float32x4_t {
            unsafe { vld1q_f32(p) }
        }
        #[inline(always)]
        unsafe fn store(p: *mut f32, v: float32x4_t) {
            unsafe { vst1q_f32(p, v) }
        }
        #[inline(always)]
        unsafe fn fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
            unsafe { vfmaq_f32(c, a, b) }
        }
        #[inline(always)]
        fn mul_add(a: f32, b: f32, c: f32) -> f32 {
            a.mul_add(b, c)
        }
    }
}

impl Simd for Portable {
    type V = [f32; 4];
    const LANES: usize = 4;
    const MR: usize = 4;
    const NV: usize = 2;

    #[inline(always)]
    unsafe fn splat(x: f32) -> [f32; 4] {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> [f32; 4] {
        // SAFETY: the caller vouches for four readable values.
        unsafe { p.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: [f32; 4]) {
        // SAFETY: the caller vouches for four writable values.
        unsafe { p.cast::<[f32; 4]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn fma(a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        // Without the instruction a fused operation is a library call.
        a * b + c
    }
}
