//! GFLOP/s of the packed products on the layer's shapes, as a share of the machine's peak; the
//! shares mean something only where nothing else runs.
//!
//! `cargo run --release -p m2-cpu --example gemm_bench -- [threads] [isa] [seconds per shape]`

use std::time::{Duration, Instant};

use m2_cpu::gemm::{Epilogue, PackedB, Rows, RowsMut, gemm};
use m2_cpu::peak::peak;
use m2_cpu::{AlignedVec, Isa, Pool};

/// (k, n) of in_linear, out_linear, one up block, one down block and the decoder.
const SHAPES: [(usize, usize); 5] =
    [(768, 2304), (768, 768), (192, 1536), (768, 192), (768, 30528)];
const TOKENS: [usize; 4] = [16, 128, 512, 2048];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let threads = match args.next() {
        Some(text) => text.parse()?,
        None => std::thread::available_parallelism()?.get(),
    };
    let wanted = args.next().unwrap_or("all".into());
    let seconds: f64 = args.next().map_or(Ok(0.5), |text| text.parse())?;
    let pool = Pool::new(threads);
    for isa in Isa::available() {
        if wanted == "all" || wanted == isa.name() {
            bench(&pool, isa, seconds)?;
        }
    }
    Ok(())
}

fn bench(pool: &Pool, isa: Isa, seconds: f64) -> Result<(), Box<dyn std::error::Error>> {
    let ceiling = || peak(pool, isa, Duration::from_millis(200));
    let mut top = ceiling();
    println!("{}, {} threads: peak {top:.0} GFLOP/s", isa.name(), pool.threads());
    println!("{:>12} {:>7} {:>8} {:>8} {:>6}", "shape", "tokens", "median", "best", "share");
    for (k, n) in SHAPES {
        let w: Vec<f32> = (0..n * k).map(|i| (i % 17) as f32 * 0.01 - 0.08).collect();
        let packed = PackedB::pack(isa, &w, n, k)?;
        for m in TOKENS {
            // The clock varies: the peak is the best of all looks at it.
            top = top.max(ceiling());
            let x: Vec<f32> = (0..m * k).map(|i| (i % 13) as f32 * 0.1 - 0.6).collect();
            let mut out = AlignedVec::try_zeroed(m * n)?;
            let flops = (2 * m * n * k) as f64;
            let mut rates = Vec::new();
            let end = Instant::now() + Duration::from_secs_f64(seconds);
            while rates.len() < 3 || Instant::now() < end {
                let start = Instant::now();
                let to = RowsMut::new(&mut out, m, n);
                gemm(pool, Rows::new(&x, m, k), &packed, to, &Epilogue::default())?;
                rates.push(flops / start.elapsed().as_secs_f64() * 1e-9);
            }
            rates.sort_by(f64::total_cmp);
            let (median, best) = (rates[rates.len() / 2], rates[rates.len() - 1]);
            let shape = format!("{k}x{n}");
            println!("{shape:>12} {m:>7} {median:>8.0} {best:>8.0} {:>5.0}%", 100.0 * best / top);
        }
    }
    println!("peak over the whole run: {top:.0} GFLOP/s");
    Ok(())
}
