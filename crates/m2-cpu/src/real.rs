//! The two arithmetics of the plain ops: f64, the oracle, and f32.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// A real number type.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + Send
    + Sync
    + 'static
{
    /// Rounds an f64.
    fn of(v: f64) -> Self;
    /// Widens to f64, exact.
    fn f64(self) -> f64;
    /// e^x
    fn exp(self) -> Self;
    /// sin x
    fn sin(self) -> Self;
    /// tanh x
    fn tanh(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// √x
    fn sqrt(self) -> Self;

    /// Zero.
    fn zero() -> Self {
        Self::default()
    }

    /// The larger of two numbers.
    fn max(self, other: Self) -> Self {
        if self > other { self } else { other }
    }

    /// Exact GELU.
    fn gelu(self) -> Self {
        let half = Self::of(0.5);
        half * self * (Self::of(1.0) + (self * Self::of(std::f64::consts::FRAC_1_SQRT_2)).erf())
    }
}

macro_rules! real {
    ($t:ty, $erf:path) => {
        impl Real for $t {
            fn of(v: f64) -> Self {
                v as $t
            }
            fn f64(self) -> f64 {
                self.into()
            }
            fn exp(self) -> Self {
                self.exp()
            }
            fn sin(self) -> Self {
                self.sin()
            }
            fn tanh(self) -> Self {
                self.tanh()
            }
            fn erf(self) -> Self {
                $erf(self)
            }
            fn sqrt(self) -> Self {
                self.sqrt()
            }
        }
    };
}

real!(f32, libm::erff);
real!(f64, libm::erf);
