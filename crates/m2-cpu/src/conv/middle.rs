//! What happens between the transforms: multiplication with a spectrum, or taking one apart.
//!
//! A record holds, for each of the `LANES` channels, the complex values at one frequency f, of
//! P = (K₁+K₂)/2 and M = (K₁−K₂)/2 for two convolutions, of K for one; the values at −f are their
//! conjugates. The two frequencies that are their own opposites have real values and share the
//! first record.

use super::LANES;
use super::fft::Middle;
use super::transform::POINT;
use super::vector::{Cx, Vector};

/// Floats in a record of two convolutions.
const PAIR_RECORD: usize = 2 * POINT;

/// Applies two real filters to the real and the imaginary part of the signal:
/// `W(f) = Z(f)·P(f) + conj Z(−f)·M(f)`.
pub(super) struct ApplyPair(pub *const f32);

impl<V: Vector> Middle<V> for ApplyPair {
    const INVERSE: bool = true;

    #[inline(always)]
    unsafe fn pair(&mut self, r: usize, c: usize, z: Cx<V>, s: Cx<V>) -> (Cx<V>, Cx<V>) {
        let at = self.0.wrapping_add(r * PAIR_RECORD + c);
        // SAFETY: the record exists.
        let (p, m) = unsafe { (Cx::load(at), Cx::load(at.add(POINT))) };
        let w = Cx {
            re: s.im.mul_add(m.im, s.re.mul_add(m.re, z.re.mul_sub(p.re, z.im.mul(p.im)))),
            im: s.im.neg_mul_add(m.re, s.re.mul_add(m.im, z.re.mul_add(p.im, z.im.mul(p.re)))),
        };
        let v = Cx {
            re: z.im.neg_mul_add(m.im, z.re.mul_add(m.re, s.re.mul_add(p.re, s.im.mul(p.im)))),
            im: z.im.neg_mul_add(m.re, z.re.neg_mul_add(m.im, s.im.mul_sub(p.re, s.re.mul(p.im)))),
        };
        (w, v)
    }

    #[inline(always)]
    unsafe fn reals(&mut self, r: usize, c: usize, z: Cx<V>, s: Cx<V>) -> (Cx<V>, Cx<V>) {
        let at = self.0.wrapping_add(r * PAIR_RECORD + c);
        // SAFETY: the record exists.
        let (p, m) = unsafe { (Cx::<V>::load(at), Cx::<V>::load(at.add(POINT))) };
        let w = Cx { re: z.re.mul(p.re.add(m.re)), im: z.im.mul(p.re.sub(m.re)) };
        let v = Cx { re: s.re.mul(p.im.add(m.im)), im: s.im.mul(p.im.sub(m.im)) };
        (w, v)
    }

    #[inline(always)]
    fn advance(&mut self, records: usize) {
        self.0 = self.0.wrapping_add(records * PAIR_RECORD);
    }
}

/// Applies one real filter to both parts of the signal: `W(f) = Z(f)·K(f)`.
pub(super) struct ApplySingle(pub *const f32);

impl<V: Vector> Middle<V> for ApplySingle {
    const INVERSE: bool = true;

    #[inline(always)]
    unsafe fn pair(&mut self, r: usize, c: usize, z: Cx<V>, s: Cx<V>) -> (Cx<V>, Cx<V>) {
        // SAFETY: the record exists.
        let k = unsafe { Cx::load(self.0.add(r * POINT + c)) };
        (z.mul(k), s.mul_conj(k))
    }

    #[inline(always)]
    unsafe fn reals(&mut self, r: usize, c: usize, z: Cx<V>, s: Cx<V>) -> (Cx<V>, Cx<V>) {
        // SAFETY: the record exists.
        let k = unsafe { Cx::<V>::load(self.0.add(r * POINT + c)) };
        let w = Cx { re: z.re.mul(k.re), im: z.im.mul(k.re) };
        let v = Cx { re: s.re.mul(k.im), im: s.im.mul(k.im) };
        (w, v)
    }

    #[inline(always)]
    fn advance(&mut self, records: usize) {
        self.0 = self.0.wrapping_add(records * POINT);
    }
}

/// Takes the transform of `k₁ + i·k₂` apart into records of P and M, times `scale`.
pub(super) struct SplitPair {
    pub to: *mut f32,
    pub scale: f32,
}

impl<V: Vector> Middle<V> for SplitPair {
    const INVERSE: bool = false;

    #[inline(always)]
    unsafe fn pair(&mut self, r: usize, c: usize, z: Cx<V>, s: Cx<V>) -> (Cx<V>, Cx<V>) {
        // 2·K₁ = z + conj s and 2·K₂ = −i·(z − conj s).
        let k1 = Cx { re: z.re.add(s.re), im: z.im.sub(s.im) };
        let k2 = Cx { re: z.im.add(s.im), im: s.re.sub(z.re) };
        self.put(r, c, k1.add(k2), k1.sub(k2), 0.25);
        (z, s)
    }

    #[inline(always)]
    unsafe fn reals(&mut self, r: usize, c: usize, z: Cx<V>, s: Cx<V>) -> (Cx<V>, Cx<V>) {
        // At these frequencies K₁ is the real part and K₂ the imaginary one.
        let p = Cx { re: z.re.add(z.im), im: s.re.add(s.im) };
        let m = Cx { re: z.re.sub(z.im), im: s.re.sub(s.im) };
        self.put(r, c, p, m, 0.5);
        (z, s)
    }

    #[inline(always)]
    fn advance(&mut self, records: usize) {
        self.to = self.to.wrapping_add(records * PAIR_RECORD);
    }
}

impl SplitPair {
    #[inline(always)]
    fn put<V: Vector>(&self, r: usize, c: usize, p: Cx<V>, m: Cx<V>, share: f32) {
        let scale = V::splat(self.scale * share);
        let at = self.to.wrapping_add(r * PAIR_RECORD + c);
        // SAFETY: called for records that exist (`Middle::pair`).
        unsafe {
            Cx { re: p.re.mul(scale), im: p.im.mul(scale) }.store(at);
            Cx { re: m.re.mul(scale), im: m.im.mul(scale) }.store(at.add(POINT));
        }
    }
}

/// Keeps one of every two conjugate frequencies of the transform of a real filter, times `scale`.
pub(super) struct SplitSingle {
    pub to: *mut f32,
    pub scale: f32,
}

impl<V: Vector> Middle<V> for SplitSingle {
    const INVERSE: bool = false;

    #[inline(always)]
    unsafe fn pair(&mut self, r: usize, c: usize, z: Cx<V>, s: Cx<V>) -> (Cx<V>, Cx<V>) {
        self.put(r, c, z);
        (z, s)
    }

    #[inline(always)]
    unsafe fn reals(&mut self, r: usize, c: usize, z: Cx<V>, s: Cx<V>) -> (Cx<V>, Cx<V>) {
        self.put(r, c, Cx { re: z.re, im: s.re });
        (z, s)
    }

    #[inline(always)]
    fn advance(&mut self, records: usize) {
        self.to = self.to.wrapping_add(records * POINT);
    }
}

impl SplitSingle {
    #[inline(always)]
    fn put<V: Vector>(&self, r: usize, c: usize, k: Cx<V>) {
        let scale = V::splat(self.scale);
        // SAFETY: called for records that exist (`Middle::pair`).
        unsafe {
            Cx { re: k.re.mul(scale), im: k.im.mul(scale) }
                .store(self.to.wrapping_add(r * POINT + c));
        }
    }
}

const _: () = assert!(LANES == 16, "a cache line of channels is one group");
