//! NEON.

use std::arch::aarch64::*;

use super::Simd;

/// NEON: 8 × 12 accumulators in 24 of 32 registers.
#[derive(Clone, Copy)]
pub(crate) struct Neon;

// SAFETY (all blocks below): NEON is part of AArch64, and the caller vouches for the pointers.
#[allow(clippy::undocumented_unsafe_blocks)]
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
    unsafe fn outer<const R: usize, const NV: usize>(
        sums: &mut [[float32x4_t; NV]; R],
        a: *const f32,
        b: *const f32,
    ) {
        unsafe {
            if R == 8 && NV == 3 {
                outer_8x3(&mut *(&raw mut *sums).cast(), a, b);
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

/// [`Simd::outer`] of the full kernel in 29 of the 32 registers: the compiler's order of loads
/// needs more and keeps sums on the stack.
///
/// # Safety
/// `a` is readable for 8 values, `b` for 12.
#[inline(always)]
unsafe fn outer_8x3(sums: &mut [[float32x4_t; 3]; 8], a: *const f32, b: *const f32) {
    macro_rules! rows {
        ($(($r:literal, $x:literal, $c0:ident, $c1:ident, $c2:ident)),*) => {
            std::arch::asm!(
                "ldp {a0:q}, {a1:q}, [{a}]",
                "ldp {b0:q}, {b1:q}, [{b}]",
                "ldr {b2:q}, [{b}, #32]",
                $(
                    concat!("fmla {", stringify!($c0), ":v}.4s, {b0:v}.4s, {", $x, "]"),
                    concat!("fmla {", stringify!($c1), ":v}.4s, {b1:v}.4s, {", $x, "]"),
                    concat!("fmla {", stringify!($c2), ":v}.4s, {b2:v}.4s, {", $x, "]"),
                )*
                a = in(reg) a,
                b = in(reg) b,
                a0 = out(vreg) _,
                a1 = out(vreg) _,
                b0 = out(vreg) _,
                b1 = out(vreg) _,
                b2 = out(vreg) _,
                $(
                    $c0 = inout(vreg) sums[$r][0],
                    $c1 = inout(vreg) sums[$r][1],
                    $c2 = inout(vreg) sums[$r][2],
                )*
                options(pure, readonly, nostack, preserves_flags)
            )
        };
    }
    // SAFETY: it reads what the caller vouches for and writes registers only.
    unsafe {
        rows!(
            (0, "a0:v}.s[0", c00, c01, c02),
            (1, "a0:v}.s[1", c10, c11, c12),
            (2, "a0:v}.s[2", c20, c21, c22),
            (3, "a0:v}.s[3", c30, c31, c32),
            (4, "a1:v}.s[0", c40, c41, c42),
            (5, "a1:v}.s[1", c50, c51, c52),
            (6, "a1:v}.s[2", c60, c61, c62),
            (7, "a1:v}.s[3", c70, c71, c72)
        );
    }
}
