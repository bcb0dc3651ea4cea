//! Random numbers by counter: a failing test names its seed and fails again.

use m2_nn::init::{counter, fnv1a};

/// Element `i` of the stream `name`: uniform in [−1, 1), exact in f32.
pub fn element(seed: u32, name: &str, i: u64) -> f64 {
    f64::from(counter(seed ^ fnv1a(name), i))
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random {
    seed: u32,
    next: u64,
}

impl Random {
    pub fn new(seed: u32) -> Self {
        Random { seed, next: 0 }
    }

    /// Uniform in [−1, 1), exact in f32.
    pub fn unit(&mut self) -> f64 {
        self.next += 1;
        element(self.seed, "random", self.next)
    }

    /// One of `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        (((self.unit() + 1.0) / 2.0) * n as f64) as usize
    }

    /// One of `from..=to`.
    pub fn within(&mut self, from: usize, to: usize) -> usize {
        from + self.below(to + 1 - from)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}
