//! Times `Encoder::embed` for tests/bench/minilm.py: answers JSON lines with JSON lines.
//!
//! A request `{"texts": [...], "runs": 5, "warm": 1}` is answered with the median milliseconds of
//! `runs` calls after `warm` calls, tokenising to normalised vectors, and with the vectors.
//! Arguments: a model's folder and the number of threads.

use std::{
    env,
    error::Error,
    io::{self, BufRead, Write},
    path::Path,
    time::Instant,
};

use m2::{Device, Encoder, EncoderOptions, Model, OpenOptions};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    let [_, folder, threads] = &arguments[..] else {
        return Err("arguments: a model's folder and the number of threads".into());
    };
    let device = Device::cpu(threads.parse()?);
    let model = Model::open(Path::new(folder), device, OpenOptions::default())?;
    let mut encoder = Encoder::new(model, EncoderOptions::default())?;
    for line in io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let texts: Vec<&str> =
            request["texts"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let count = |name: &str| request[name].as_u64().unwrap_or(1);
        let mut vectors = encoder.embed(&texts)?;
        for _ in 1..count("warm") {
            vectors = encoder.embed(&texts)?;
        }
        let mut times = Vec::new();
        for _ in 0..count("runs").max(1) {
            let start = Instant::now();
            vectors = encoder.embed(&texts)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let rows: Vec<&[f32]> = (0..texts.len()).map(|i| vectors.row(i)).collect();
        let answer = json!({"ms": times[times.len() / 2], "vectors": rows});
        writeln!(io::stdout(), "{answer}")?;
    }
    Ok(())
}
