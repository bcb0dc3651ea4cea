//! One vector of f32 per instruction set: the few operations the kernels are written in.
//!
//! The methods are inlined into functions compiled with the instructions (see `multiversion` in
//! [`isa`](crate::isa)); anywhere else they would be calls, and undefined without the hardware.

#[cfg(target_arch = "aarch64")]
mod arm;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
pub(crate) use arm::Neon;
pub(crate) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

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

    /// Terms of the GEMM micro-kernel before the next rows, so that this part of a panel stays in
    /// L1 while all row groups of a block pass over it.
    const KC: usize = 192;

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
