//! Vectors of 4, 8 or 16 channels, and the way to enter code compiled for one instruction set.

/// A piece of work whose whole body is compiled for the instruction set of the vector it uses.
pub(super) trait Task {
    /// Does the work. Implementations are `#[inline(always)]`, so that they become part of the
    /// function that carries the target features.
    ///
    /// # Safety
    /// As stated by each implementation.
    unsafe fn run(self);
}

/// One vector register of `LANES` channels.
///
/// Values exist only inside [`Vector::vectorize`], whose caller vouches for the instruction set; that
/// is what makes the arithmetic methods safe.
pub(super) trait Vector: Copy + 'static {
    /// Channels in one vector; divides [`super::LANES`].
    const LANES: usize;

    /// # Safety
    /// `p` is readable for `LANES` floats, of any alignment.
    unsafe fn load(p: *const f32) -> Self;
    /// # Safety
    /// `p` is writable for `LANES` floats, of any alignment.
    unsafe fn store(self, p: *mut f32);
    fn splat(x: f32) -> Self;
    fn add(self, o: Self) -> Self;
    fn sub(self, o: Self) -> Self;
    fn mul(self, o: Self) -> Self;
    /// `self · b + c`
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// `self · b − c`
    fn mul_sub(self, b: Self, c: Self) -> Self;
    /// `c − self · b`
    fn neg_mul_add(self, b: Self, c: Self) -> Self;
    /// The larger of `|self|` and `|o|`.
    fn max_abs(self, o: Self) -> Self;
    /// Hints that the cache line at `p`, which need not be readable, is wanted soon.
    fn prefetch(p: *const f32) {
        let _ = p;
    }
    /// Runs `task` compiled for this instruction set.
    ///
    /// # Safety
    /// The CPU has the instruction set, and the task's own conditions hold.
    unsafe fn vectorize<T: Task>(task: T);
}

/// Four floats in an array: what the compiler makes of it for SSE2, wasm or any other target.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; 4]);

impl Portable {
    #[inline(always)]
    fn zip(self, o: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], o.0[i])))
    }
}

impl Vector for Portable {
    const LANES: usize = 4;
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller's condition; arrays of f32 are read unaligned.
        unsafe { Self(p.cast::<[f32; 4]>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller's condition; arrays of f32 are written unaligned.
        unsafe { p.cast::<[f32; 4]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self([x; 4])
    }
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        self.zip(o, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        self.zip(o, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, o: Self) -> Self {
        self.zip(o, |a, b| a * b)
    }
    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        self.mul(b).add(c)
    }
    #[inline(always)]
    fn mul_sub(self, b: Self, c: Self) -> Self {
        self.mul(b).sub(c)
    }
    #[inline(always)]
    fn neg_mul_add(self, b: Self, c: Self) -> Self {
        c.sub(self.mul(b))
    }
    #[inline(always)]
    fn max_abs(self, o: Self) -> Self {
        self.zip(o, |a, b| if a.abs() > b.abs() { a.abs() } else { b.abs() })
    }
    #[inline(always)]
    unsafe fn vectorize<T: Task>(task: T) {
        #[inline(never)]
        unsafe fn inner<T: Task>(task: T) {
            // SAFETY: passed on to the caller.
            unsafe { task.run() }
        }
        // SAFETY: passed on to the caller.
        unsafe { inner(task) }
    }
}

/// Evaluates `$run` with the type `$v` standing for the vectors of `$isa`.
macro_rules! dispatch {
    ($isa:expr, $v:ident => $run:expr) => {
        match $isa {
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Isa::Avx512 => {
                type $v = $crate::conv::vector::Avx512;
                $run
            }
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Isa::Avx2 => {
                type $v = $crate::conv::vector::Avx2;
                $run
            }
            #[cfg(target_arch = "aarch64")]
            $crate::isa::Isa::Neon => {
                type $v = $crate::conv::vector::Neon;
                $run
            }
            _ => {
                type $v = $crate::conv::vector::Portable;
                $run
            }
        }
    };
}
pub(super) use dispatch;

/// Implements [`Vector`] by one intrinsic a method.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! simd {
    (
        $name:ident($raw:ident), lanes $lanes:literal, features $($feature:literal)|+,
        load $load:ident, store $store:ident, splat $splat:ident,
        add $add:ident, sub $sub:ident, mul $mul:ident,
        mul_add $mul_add:expr, mul_sub $mul_sub:expr, neg_mul_add $neg_mul_add:expr,
        max_abs $max_abs:expr, prefetch $prefetch:expr
    ) => {
        #[derive(Clone, Copy)]
        pub(in crate::conv) struct $name($raw);

        // In every method below — SAFETY: values exist only where the CPU has the instruction
        // set (`vectorize`), and pointers are the caller's to vouch for.
        #[allow(clippy::undocumented_unsafe_blocks)]
        impl Vector for $name {
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn load(p: *const f32) -> Self {
                unsafe { Self($load(p)) }
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut f32) {
                unsafe { $store(p, self.0) }
            }
            #[inline(always)]
            fn splat(x: f32) -> Self {
                unsafe { Self($splat(x)) }
            }
            #[inline(always)]
            fn add(self, o: Self) -> Self {
                unsafe { Self($add(self.0, o.0)) }
            }
            #[inline(always)]
            fn sub(self, o: Self) -> Self {
                unsafe { Self($sub(self.0, o.0)) }
            }
            #[inline(always)]
            fn mul(self, o: Self) -> Self {
                unsafe { Self($mul(self.0, o.0)) }
            }
            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                unsafe { Self($mul_add(self.0, b.0, c.0)) }
            }
            #[inline(always)]
            fn mul_sub(self, b: Self, c: Self) -> Self {
                unsafe { Self($mul_sub(self.0, b.0, c.0)) }
            }
            #[inline(always)]
            fn neg_mul_add(self, b: Self, c: Self) -> Self {
                unsafe { Self($neg_mul_add(self.0, b.0, c.0)) }
            }
            #[inline(always)]
            fn max_abs(self, o: Self) -> Self {
                unsafe { Self($max_abs(self.0, o.0)) }
            }
            #[inline(always)]
            fn prefetch(p: *const f32) {
                ($prefetch)(p)
            }
            #[inline(always)]
            unsafe fn vectorize<T: Task>(task: T) {
                $(#[target_feature(enable = $feature)])+
                unsafe fn inner<T: Task>(task: T) {
                    unsafe { task.run() }
                }
                unsafe { inner(task) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Task, Vector};
    use std::arch::x86_64::*;

    #[inline(always)]
    fn fetch(p: *const f32) {
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }

    simd! {
        Avx2(__m256), lanes 8, features "avx2" | "fma",
        load _mm256_loadu_ps, store _mm256_storeu_ps, splat _mm256_set1_ps,
        add _mm256_add_ps, sub _mm256_sub_ps, mul _mm256_mul_ps,
        mul_add _mm256_fmadd_ps, mul_sub _mm256_fmsub_ps, neg_mul_add _mm256_fnmadd_ps,
        max_abs |a, b| {
            let sign = _mm256_set1_ps(-0.0);
            _mm256_max_ps(_mm256_andnot_ps(sign, a), _mm256_andnot_ps(sign, b))
        },
        prefetch fetch
    }

    simd! {
        Avx512(__m512), lanes 16, features "avx512f" | "avx512vl" | "avx512dq" | "avx512bw",
        load _mm512_loadu_ps, store _mm512_storeu_ps, splat _mm512_set1_ps,
        add _mm512_add_ps, sub _mm512_sub_ps, mul _mm512_mul_ps,
        mul_add _mm512_fmadd_ps, mul_sub _mm512_fmsub_ps, neg_mul_add _mm512_fnmadd_ps,
        max_abs |a, b| _mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)),
        prefetch fetch
    }
}
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "aarch64")]
mod arm {
    use super::{Task, Vector};
    use std::arch::aarch64::*;

    simd! {
        Neon(float32x4_t), lanes 4, features "neon",
        load vld1q_f32, store vst1q_f32, splat vdupq_n_f32,
        add vaddq_f32, sub vsubq_f32, mul vmulq_f32,
        mul_add |a, b, c| vfmaq_f32(c, a, b), mul_sub |a, b, c| vnegq_f32(vfmsq_f32(c, a, b)),
        neg_mul_add |a, b, c| vfmsq_f32(c, a, b),
        max_abs |a, b| vmaxq_f32(vabsq_f32(a), vabsq_f32(b)),
        prefetch |_p: *const f32| ()
    }
}
#[cfg(target_arch = "aarch64")]
pub(super) use arm::Neon;

/// A complex vector.
#[derive(Clone, Copy)]
pub(super) struct Cx<V> {
    pub re: V,
    pub im: V,
}

impl<V: Vector> Cx<V> {
    /// # Safety
    /// `p` is readable at `0..V::LANES` and at `LANES..LANES + V::LANES` (one point's layout).
    #[inline(always)]
    pub unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller's condition.
        unsafe { Self { re: V::load(p), im: V::load(p.add(super::LANES)) } }
    }
    /// # Safety
    /// As [`Cx::load`], writable.
    #[inline(always)]
    pub unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller's condition.
        unsafe {
            self.re.store(p);
            self.im.store(p.add(super::LANES));
        }
    }
    #[inline(always)]
    pub fn add(self, o: Self) -> Self {
        Self { re: self.re.add(o.re), im: self.im.add(o.im) }
    }
    #[inline(always)]
    pub fn sub(self, o: Self) -> Self {
        Self { re: self.re.sub(o.re), im: self.im.sub(o.im) }
    }
    /// `self + i·o`
    #[inline(always)]
    pub fn add_i(self, o: Self) -> Self {
        Self { re: self.re.sub(o.im), im: self.im.add(o.re) }
    }
    /// `self − i·o`
    #[inline(always)]
    pub fn sub_i(self, o: Self) -> Self {
        Self { re: self.re.add(o.im), im: self.im.sub(o.re) }
    }
    #[inline(always)]
    pub fn mul(self, w: Self) -> Self {
        Self {
            re: self.re.mul_sub(w.re, self.im.mul(w.im)),
            im: self.re.mul_add(w.im, self.im.mul(w.re)),
        }
    }
    /// `self · conj w`
    #[inline(always)]
    pub fn mul_conj(self, w: Self) -> Self {
        Self {
            re: self.re.mul_add(w.re, self.im.mul(w.im)),
            im: self.im.mul_sub(w.re, self.re.mul(w.im)),
        }
    }
    /// `self · (1 − i)/√2`
    #[inline(always)]
    pub fn turn(self) -> Self {
        let h = V::splat(std::f32::consts::FRAC_1_SQRT_2);
        Self { re: self.re.add(self.im).mul(h), im: self.im.sub(self.re).mul(h) }
    }
    /// `self · (1 + i)/√2`
    #[inline(always)]
    pub fn turn_back(self) -> Self {
        let h = V::splat(std::f32::consts::FRAC_1_SQRT_2);
        Self { re: self.re.sub(self.im).mul(h), im: self.im.add(self.re).mul(h) }
    }
}
