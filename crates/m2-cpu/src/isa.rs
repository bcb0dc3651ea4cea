//! The instruction set a kernel runs with: found at run time, passed as a value.

/// An instruction set this machine has.
///
/// [`Isa::detect`] and [`Isa::available`] are the only places that build a value, and other crates
/// cannot build one. A value is therefore the proof that its instructions exist, and kernels rely
/// on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// x86-64 with AVX-512 F, VL, DQ and BW: 16 lanes, 32 registers.
    #[non_exhaustive]
    Avx512,
    /// x86-64 with AVX2, FMA and F16C: 8 lanes, 16 registers.
    #[non_exhaustive]
    Avx2,
    /// AArch64: 4 lanes, 32 registers.
    #[non_exhaustive]
    Neon,
    /// Plain loops with whatever the target has without asking.
    #[non_exhaustive]
    Portable,
}

impl Isa {
    /// The best instruction set of this machine.
    pub fn detect() -> Self {
        Self::available()[0]
    }

    /// Every instruction set of this machine, best first; the last one is always
    /// [`Isa::Portable`].
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut, reason = "other targets have nothing to add")]
        let mut found = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw");
            if avx2 {
                found.insert(0, Self::Avx2);
            }
            if avx2 && avx512 {
                found.insert(0, Self::Avx512);
            }
        }
        #[cfg(target_arch = "aarch64")]
        found.insert(0, Self::Neon);
        found
    }

    /// The name used in reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Portable => "portable",
        }
    }
}

/// Defines `fn name(isa: Isa, ...)` that runs `body::<S>(...)` compiled for the instructions of
/// `isa`, `S` being its [`Simd`](crate::simd::Simd). The body must be `#[inline(always)]`: only
/// what is inlined into the wrappers is compiled with their instructions.
macro_rules! multiversion {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? => $body:path
    ) => {
        $(#[$meta])*
        $vis fn $name(isa: $crate::Isa, $($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma,f16c")]
            fn avx512($($arg: $ty),*) $(-> $ret)? {
                use $body as body;
                body::<$crate::simd::Avx512>($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            fn avx2($($arg: $ty),*) $(-> $ret)? {
                use $body as body;
                body::<$crate::simd::Avx2>($($arg),*)
            }
            use $body as body;
            match isa {
                // SAFETY: an `Isa::Avx512` exists only where detection found these features.
                #[cfg(target_arch = "x86_64")]
                $crate::Isa::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: an `Isa::Avx2` exists only where detection found these features.
                #[cfg(target_arch = "x86_64")]
                $crate::Isa::Avx2 => unsafe { avx2($($arg),*) },
                #[cfg(target_arch = "aarch64")]
                $crate::Isa::Neon => body::<$crate::simd::Neon>($($arg),*),
                _ => body::<$crate::simd::Portable>($($arg),*),
            }
        }
    };
}
pub(crate) use multiversion;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detect_is_the_first_available_and_portable_the_last() {
        let all = Isa::available();
        assert_eq!(Isa::detect(), all[0]);
        assert_eq!(all.last(), Some(&Isa::Portable));
        let mut names: Vec<_> = all.iter().map(|i| i.name()).collect();
        names.dedup();
        assert_eq!(names.len(), all.len());
    }
}
