//! Exponential, hyperbolic tangent and sine of one value, without branches.

use super::gelu::polynomial;
use crate::simd::Simd;

/// Adding and subtracting it rounds |x| < 2²² to the nearest integer, ties to even; the low bits
/// of the sum are that integer.
const ROUND: f32 = 12_582_912.0;

/// e^x: x = n·ln 2 + r, |r| ≤ ½ ln 2, and the polynomial of Cephes' `expf` in r.
#[inline(always)]
pub(super) fn exp1<S: Simd>(x: f32) -> f32 {
    // Comparisons written so that a NaN passes through.
    let x = if x < -88.0 { -88.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let shifted = S::mul_add(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    // ln 2 in two parts; the first has 9 bits, so that n times it is exact.
    #[allow(clippy::excessive_precision)]
    let r = S::mul_add(n, -0.693359375, x);
    let r = S::mul_add(n, 2.121_944_4e-4, r);
    #[allow(clippy::excessive_precision)]
    const C: [f32; 6] = [
        5.0000001201e-1,
        1.6666665459e-1,
        4.1665795894e-2,
        8.3334519073e-3,
        1.3981999507e-3,
        1.9875691500e-4,
    ];
    let e = S::mul_add(r * r, polynomial::<S, 6>(&C, r), r) + 1.0;
    // 2ⁿ as 2·2ⁿ⁻¹, since n reaches 128; an exponent of −126 or less gives 0.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let exponent = if n < -125 { 0 } else { n.wrapping_add(126) };
    e * f32::from_bits((exponent as u32) << 23) * 2.0
}

/// tanh x = x·P(x²)/Q(x²) on |x| ≤ 7.9, ±1 beyond
/// (libeigen/eigen: Eigen/src/Core/MathFunctionsImpl.h).
#[inline(always)]
pub(super) fn tanh1<S: Simd>(x: f32) -> f32 {
    #[allow(clippy::excessive_precision)]
    const P: [f32; 7] = [
        4.89352455891786e-03,
        6.37261928875436e-04,
        1.48572235717979e-05,
        5.12229709037114e-08,
        -8.60467152213735e-11,
        2.00018790482477e-13,
        -2.76076847742355e-16,
    ];
    #[allow(clippy::excessive_precision)]
    const Q: [f32; 4] =
        [4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06];
    let s = x * x;
    let value = x * polynomial::<S, 7>(&P, s) / polynomial::<S, 4>(&Q, s);
    if x.abs() > 7.905 { 1.0f32.copysign(x) } else { value }
}

/// sin x = (−1)ⁿ sin(x − nπ), π in three parts of which the first two have at most 11 bits: the
/// same formula as the shaders', for the same filters on every device.
#[inline(always)]
pub(super) fn sin1<S: Simd>(x: f32) -> f32 {
    #[allow(clippy::excessive_precision)]
    const C: [f32; 4] = [-0.166666597, 0.00833308417, -0.000198108712, 2.608454e-6];
    let shifted = S::mul_add(x, std::f32::consts::FRAC_1_PI, ROUND);
    let n = shifted - ROUND;
    // Not fused: the first two products are exact, and every device rounds alike.
    #[allow(clippy::excessive_precision)]
    let r = ((x - n * 3.140625) - n * 0.000967502594) - n * 1.50995803e-7;
    let s = r * r;
    let value = S::mul_add(r * s, polynomial::<S, 4>(&C, s), r);
    // n odd: its lowest bit becomes the sign.
    f32::from_bits(value.to_bits() ^ (shifted.to_bits() << 31))
}
