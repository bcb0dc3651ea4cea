//! Random values for the unit tests of this crate.

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    /// A generator whose first value depends on the clock, so that every run tests new inputs; the
    /// seed is printed for a failing test to show.
    pub(crate) fn fresh() -> Self {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(1, |d| d.as_nanos() as u64);
        println!("seed {now}");
        Self(now)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A value between `low` and `high`.
    pub(crate) fn value(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// `len` values between −1 and 1.
    pub(crate) fn values(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.value(-1.0, 1.0)).collect()
    }
}
