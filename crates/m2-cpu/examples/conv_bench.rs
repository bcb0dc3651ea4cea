//! Times the pair of long convolutions of one M2-BERT layer: 768 channels, token-major in and out.
//!
//! `cargo run --release -p m2-cpu --example conv_bench [threads [length...]]`

use m2_cpu::conv::*;
use m2_cpu::{AlignedVec, Isa};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const CHANNELS: usize = 768;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<usize>());
    let threads = args.next().transpose()?.unwrap_or(2).max(1);
    let mut lens = args.collect::<Result<Vec<_>, _>>()?;
    if lens.is_empty() {
        lens = vec![128, 512, 2048, 8192, 32768];
    }
    println!("{CHANNELS} channels, {threads} threads");
    println!("| instructions | tokens | ms median | ms best | ns per token and channel, best |");
    println!("|---|---|---|---|---|");
    for isa in Isa::available() {
        for &len in &lens {
            let (median, best) = measure(isa, len, threads)?;
            let each = best * 1e6 / (len * CHANNELS) as f64;
            println!("| {} | {len} | {median:.3} | {best:.3} | {each:.2} |", isa.name());
        }
    }
    Ok(())
}

/// Median and best milliseconds of one layer's pair of convolutions.
fn measure(isa: Isa, len: usize, threads: usize) -> Result<(f64, f64), m2_cpu::OutOfMemory> {
    let transform = Transform::new(len);
    let part = transform.pair_group_len();
    let mut spectra = AlignedVec::<f32>::try_zeroed(part * groups(CHANNELS))?;
    let mut scratch =
        (0..threads).map(|_| Scratch::new(&transform)).collect::<Result<Vec<_>, _>>()?;
    let values = |seed: usize| -> Vec<f32> {
        (0..len * CHANNELS).map(|i| ((i * 7919 + seed) % 2003) as f32 / 1001.5 - 1.0).collect()
    };
    let (a, u, x2) = (values(1), values(2), values(3));
    let mut y = vec![0.0f32; len * CHANNELS];
    {
        let skip = vec![1.0; CHANNELS];
        let filter = Filter {
            forward: Matrix::new(&a, CHANNELS),
            reverse: Some(Matrix::new(&u, CHANNELS)),
            reverse_lag: ReverseLag::One,
            len,
            skip: Some(&skip),
        };
        for (group, out) in spectra.chunks_mut(part).enumerate() {
            let scratch = &mut scratch[0];
            build_pair_group(isa, &transform, group, CHANNELS, &filter, &filter, scratch, out);
        }
    }
    let operands = PairOperands {
        a: Matrix::new(&a, CHANNELS),
        u: Matrix::new(&u, CHANNELS),
        x2: Some(Matrix::new(&x2, CHANNELS)),
        y: MatrixMut::new(&mut y, CHANNELS),
    };
    let rows = [Row { offset: 0, len }];
    // Enough repetitions inside one timing that starting the threads does not show.
    let inner = (65_536 / len).clamp(1, 64);
    let rounds = if len > 8192 { 7 } else { 15 };
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let next = AtomicUsize::new(0);
            let start = Instant::now();
            std::thread::scope(|scope| {
                for scratch in &mut scratch {
                    let (next, transform, spectra) = (&next, &transform, &spectra);
                    scope.spawn(move || {
                        loop {
                            let task = next.fetch_add(1, Ordering::Relaxed);
                            if task >= groups(CHANNELS) * inner {
                                break;
                            }
                            let group = task % groups(CHANNELS);
                            let spectrum = &spectra[group * part..(group + 1) * part];
                            // SAFETY: `inner` passes over the same groups follow each other; two
                            // of them write the same values, and nobody reads them.
                            unsafe {
                                conv_pair_group(
                                    isa, transform, group, CHANNELS, &rows, operands, spectrum,
                                    scratch,
                                );
                            }
                        }
                    });
                }
            });
            start.elapsed().as_secs_f64() * 1e3 / inner as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2], times[0]))
}
