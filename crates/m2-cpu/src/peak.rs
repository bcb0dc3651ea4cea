//! The machine's ceiling: a loop of nothing but independent fused multiply-adds.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::isa::multiversion;
use crate::simd::Simd;
use crate::{Isa, Pool};

/// Independent sums: enough to hide the latency of two pipes, few enough for 16 registers.
const SUMS: usize = 12;

/// Rounds of one measurement.
const ROUNDS: usize = 8;

/// The best rate of fused multiply-adds (two operations each) in GFLOP/s that the threads of
/// `pool` together reach with `isa`, over about `time` of measuring.
pub fn peak(pool: &Pool, isa: Isa, time: Duration) -> f64 {
    let mut steps = 10_000;
    let mut best: f64 = 0.0;
    let per_round = time.as_secs_f64() / ROUNDS as f64;
    let end = Instant::now() + time;
    while best == 0.0 || Instant::now() < end {
        let start = Instant::now();
        pool.run(pool.threads(), &|_, _| {
            black_box(loops(isa, black_box(steps)));
        });
        let seconds = start.elapsed().as_secs_f64();
        if seconds < 0.5 * per_round {
            // Too short to trust: the threads' start would show.
            steps *= 2;
            if seconds > 0.1 * per_round {
                best = best.max(rate(pool, isa, steps / 2, seconds));
            }
            continue;
        }
        best = best.max(rate(pool, isa, steps, seconds));
    }
    best
}

fn rate(pool: &Pool, isa: Isa, steps: usize, seconds: f64) -> f64 {
    (pool.threads() * steps * SUMS * lanes(isa) * 2) as f64 / seconds * 1e-9
}

multiversion! {
    fn loops(steps: usize) -> f32 => loops_body
}

multiversion! {
    fn lanes() -> usize => lanes_body
}

#[inline(always)]
fn lanes_body<S: Simd>() -> usize {
    S::LANES
}

#[inline(always)]
fn loops_body<S: Simd>(steps: usize) -> f32 {
    let mut out = [0.0f32; 16];
    // SAFETY: `multiversion` calls the body with the instructions of S; `out` holds the widest
    // vector.
    unsafe {
        let (scale, shift) = (S::splat(black_box(0.999)), S::splat(black_box(0.001)));
        let mut sums = [S::splat(1.0); SUMS];
        for _ in 0..steps {
            for sum in &mut sums {
                *sum = S::fma(*sum, scale, shift);
            }
        }
        for sum in sums {
            S::store(out.as_mut_ptr(), sum);
            black_box(&out);
        }
    }
    out[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_plausible() {
        let pool = Pool::new(1);
        for isa in Isa::available() {
            let rate = peak(&pool, isa, Duration::from_millis(20));
            assert!(rate > 1e-3 && rate < 2000.0, "{}: {rate} GFLOP/s", isa.name());
        }
    }
}
