//! Timing one op alone: a graph of that op, random data, rounds on the device.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use m2_cpu::{Pool, peak::peak, reference};
use m2_ir::{
    Batch, Builder, DType, Dim, Expr, HostTensor, Op, Plan, RowTable, Sizes, Target, Unary, ops,
    plan::{Fusion, lower},
};

use super::case::{OpCase, case, tokens, wrong};
use crate::{Device, DeviceProgram, DeviceWeights, Error};

/// SplitMix64: the same data in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Values between −1/2 and 1/2.
    fn tensor(&mut self, shape: &[usize]) -> HostTensor {
        let n = shape.iter().product();
        let values: Vec<f32> =
            (0..n).map(|_| (self.next() >> 40) as f32 / (1 << 24) as f32 - 0.5).collect();
        HostTensor::from_f32(shape, &values)
    }
}

impl OpCase {
    fn params(&self) -> BTreeMap<String, HostTensor> {
        let mut random = Random(1);
        let params = self.graph.nodes().iter().filter(|n| n.op == Op::Param);
        params.map(|n| (n.name.clone(), random.tensor(&n.ty.concrete(&Sizes::default())))).collect()
    }

    /// The batch, its spans at the class.
    fn batch(&self) -> Result<Batch, Error> {
        let rows = RowTable::new(self.lengths.iter().map(|&n| (n, n)))?;
        let count = rows.tokens();
        let asked = (0..self.asked).map(|i| (i * 7 % count) as u32).collect();
        let mut batch = Batch::from_rows(rows).with_asked(asked)?;
        let sizes = Sizes { span: batch.sizes().class().span, ..batch.sizes() };
        let mut random = Random(2);
        for node in self.graph.nodes().iter().filter(|n| n.op == Op::Input) {
            let shape = node.ty.concrete(&sizes);
            let tensor = if node.ty.dtype == DType::U32 {
                let n = shape.iter().product();
                let ids: Vec<u32> =
                    (0..n).map(|_| (random.next() % self.ids as u64) as u32).collect();
                HostTensor::from_u32(&shape, &ids)
            } else {
                random.tensor(&shape)
            };
            batch = batch.with_input(&node.name, tensor);
        }
        Ok(batch)
    }

    /// Operations of a run at its true size, and bytes that it reads and writes, each operand and
    /// result once.
    ///
    /// # Errors
    /// When the target has not enough of something.
    pub fn costs(&self, target: &Target) -> Result<(u64, u64), Error> {
        let sizes = self.batch()?.sizes();
        let plan = lower(&self.graph, target, sizes.class(), Fusion::Full)?;
        let costs = Plan { class: sizes, ..plan }.costs();
        Ok((costs.iter().map(|c| c.flops).sum(), costs.iter().map(|c| c.bytes).sum()))
    }

    /// The largest error of the device against plain float64, relative to the largest value.
    ///
    /// # Errors
    /// When the device fails, or the op's result is the device's own affair.
    pub async fn check(&self, device: &Device, fusion: Fusion) -> Result<f64, Error> {
        let own = |n: &m2_ir::Node| matches!(n.op, Op::ConvSpectrum(_));
        let out = self.graph.outputs()[0].1;
        if own(self.graph.node(out)) {
            let what = "holds what suits the device; check long_conv, which reads it".into();
            return Err(wrong("conv_spectrum", what));
        }
        let (params, batch) = (self.params(), self.batch()?);
        let exact = reference::run::<f64>(&self.graph, &params, &batch)?;
        let mut run = OpRun::new(device, self, fusion).await?;
        let last = device.run(&mut run.program, &batch).await?;
        let found = device.read(&run.program, &last, 0).await?.to_f64();
        let exact = &exact[0].data;
        let by_token = self.graph.node(out).ty.shape.first() == Some(&Dim::Tokens);
        let width = exact.len() / if by_token { batch.rows().tokens() } else { 1 };
        // Gaps between texts hold nothing.
        let counts = |i: &usize| {
            let is_in =
                |r: &m2_ir::Row| (r.offset..r.offset + r.length).contains(&((i / width) as u32));
            !by_token || batch.rows().rows().iter().any(is_in)
        };
        let largest = exact.iter().fold(1e-30f64, |m, v| m.max(v.abs()));
        let errors = (0..exact.len()).filter(counts).map(|i| (found[i] - exact[i]).abs());
        // A NaN is the largest of errors.
        let worst = errors.fold(0.0, |m: f64, e| if e <= m { m } else { e });
        Ok(worst / largest)
    }
}

/// A case on a device, ready to be timed.
pub struct OpRun<'a> {
    device: &'a Device,
    program: DeviceProgram,
    batch: Batch,
    _weights: DeviceWeights,
    /// Runs of a round.
    times: usize,
    /// Operations of a run.
    pub flops: u64,
    /// Bytes that a run reads and writes, each operand and result once.
    pub bytes: u64,
}

/// What a round should take: enough to be timed.
const ROUND: Duration = Duration::from_millis(30);

impl<'a> OpRun<'a> {
    /// Loads a case, runs it once, and finds how many runs make a round.
    ///
    /// # Errors
    /// When the device cannot run it.
    pub async fn new(device: &'a Device, case: &OpCase, fusion: Fusion) -> Result<Self, Error> {
        let batch = case.batch()?;
        let plan = lower(&case.graph, &device.target(), batch.sizes().class(), fusion)?;
        let (flops, bytes) = case.costs(&device.target())?;
        let mut weights = device.weights();
        let mut program = device.load(plan, &case.params(), &mut weights).await?;
        device.run(&mut program, &batch).await?;
        let times = 1;
        let mut run = OpRun { device, program, batch, _weights: weights, times, flops, bytes };
        run.round().await?;
        let one = run.round().await?;
        run.times = (ROUND.as_secs_f64() / one).clamp(1.0, 1000.0) as usize;
        Ok(run)
    }

    /// Seconds of one run, the mean of a round.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn round(&mut self) -> Result<f64, Error> {
        let start = Instant::now();
        match (self.device, &self.program) {
            #[cfg(feature = "gpu")]
            (Device::Gpu(gpu), DeviceProgram::Gpu(program)) => {
                gpu.backend().replay(program, self.times)?;
                gpu.backend().wait()?;
            }
            _ => {
                for _ in 0..self.times {
                    self.device.run(&mut self.program, &self.batch).await?;
                }
            }
        }
        Ok(start.elapsed().as_secs_f64() / self.times as f64)
    }
}

/// Times cases in turn, so that all see the same machine: seconds of each round of each.
///
/// # Errors
/// When a device fails.
pub async fn interleave(runs: &mut [OpRun<'_>], rounds: usize) -> Result<Vec<Vec<f64>>, Error> {
    let mut seconds = vec![Vec::with_capacity(rounds); runs.len()];
    for _ in 0..rounds {
        for (run, all) in runs.iter_mut().zip(&mut seconds) {
            all.push(run.round().await?);
        }
    }
    Ok(seconds)
}

/// The middle of some numbers.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    if n == 0 { f64::NAN } else { (sorted[n / 2] + sorted[(n - 1) / 2]) / 2.0 }
}

/// What a device does at most.
#[derive(Clone, Copy, Debug)]
pub struct Ceilings {
    /// Reading and writing large buffers, GB/s.
    pub copy: f64,
    /// Multiply-adds in registers, GFLOP/s.
    pub multiply_adds: f64,
}

/// Measures a device's ceilings: an elementwise op over 64 MiB, and a loop of multiply-adds.
///
/// # Errors
/// When the device fails.
pub async fn ceilings(device: &Device) -> Result<Ceilings, Error> {
    let time = Duration::from_millis(200);
    let multiply_adds = match device {
        Device::Cpu(cpu) => peak(&Pool::new(cpu.threads()), cpu.isa(), time),
        #[cfg(feature = "gpu")]
        Device::Gpu(gpu) => gpu.backend().multiply_adds(time).await?,
    };
    let mut g = Builder::new();
    let x = tokens(&mut g, "x", 2048);
    let y = g.add(ops::Elementwise::new(Expr::input(0).unary(Unary::Neg)), &[x])?;
    g.output("out", y);
    let case = OpCase { graph: g.finish(), lengths: vec![8192], asked: 0, ids: 1 };
    let mut run = OpRun::new(device, &case, Fusion::None).await?;
    let bytes = run.bytes as f64;
    let mut seconds = f64::INFINITY;
    for _ in 0..5 {
        seconds = seconds.min(run.round().await?);
    }
    Ok(Ceilings { copy: bytes / seconds * 1e-9, multiply_adds })
}

/// The shape with fewer texts and tokens, so that plain float64 computes it in seconds.
///
/// # Errors
/// As [`case`].
pub fn shortened(
    op: &str,
    shape: &[usize],
    epilogue: ops::Epilogue,
    target: &Target,
) -> Result<Vec<usize>, Error> {
    let mut shape = shape.to_vec();
    while case(op, &shape, epilogue)?.costs(target)?.0 > CHECKED {
        let at = usize::from(shape[0] == 1 && shape.len() > 2);
        if shape[at] == 1 {
            break;
        }
        shape[at] = shape[at].div_ceil(2);
    }
    Ok(shape)
}

/// Operations of a check at the most.
const CHECKED: u64 = 500_000_000;

#[cfg(test)]
mod tests {
    use m2_ir::ops::Epilogue;

    use super::*;
    use crate::bench::OPS;

    #[test]
    fn every_op_is_built_checked_and_timed() {
        let device = Device::cpu(1);
        for op in OPS {
            let shape: Vec<usize> = match op.name {
                "monarch" => vec![9, 4, 3, 2, 6, 5, 2],
                "attention" => vec![2, 7, 3, 4],
                _ => op.shape.split(',').map(|n| if n == "blocks" { 2 } else { 6 }).collect(),
            };
            let case = case(op.name, &shape, Epilogue::default()).unwrap();
            match pollster::block_on(case.check(&device, Fusion::Full)) {
                Ok(error) => assert!(error < 1e-5, "{}: {error}", op.name),
                Err(e) => assert_eq!(op.name, "conv_spectrum", "{e}"),
            }
            let mut runs = [pollster::block_on(OpRun::new(&device, &case, Fusion::Full)).unwrap()];
            let seconds = pollster::block_on(interleave(&mut runs, 3)).unwrap();
            assert!(seconds[0].len() == 3 && median(&seconds[0]) > 0.0);
        }
    }

    #[test]
    fn wrong_shapes_are_named() {
        let error = |op, shape: &[usize]| case(op, shape, Epilogue::default()).unwrap_err();
        assert!(error("matmul", &[1, 2]).to_string().contains("T,K,N"));
        assert!(error("fft", &[1]).to_string().contains("matmul"));
        let bias = Epilogue { bias: true, ..Epilogue::default() };
        assert!(case("softmax", &[4, 4], bias).is_err());
    }
}
