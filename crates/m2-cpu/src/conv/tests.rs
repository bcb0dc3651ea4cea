//! Every length, row mixture and instruction set against sums and transforms in f64.

use super::*;
use crate::aligned::AlignedVec;
use crate::isa::Isa;

/// Largest error allowed, relative to the size of the exact result.
const TOLERANCE: f64 = 2e-6;

/// A splitmix generator of values in −1..1.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn vec(&mut self, len: usize, size: f32) -> Vec<f32> {
        (0..len).map(|_| size * self.next()).collect()
    }
}

/// One filter's storage, (taps, channels).
struct Kernels {
    k: Vec<f32>,
    k_rev: Option<Vec<f32>>,
    d: Option<Vec<f32>>,
    lag: ReverseLag,
    taps: usize,
}

impl Kernels {
    fn random(rng: &mut Random, channels: usize, taps: usize, kind: Kind) -> Self {
        // Decaying like an implicit filter, slower in later channels.
        let mut decaying = || -> Vec<f32> {
            (0..taps * channels)
                .map(|i| {
                    let (t, h) = (i / channels, i % channels);
                    let rate = 6.0 / (taps as f32 * (1 + h % 5) as f32);
                    rng.next() * (-(t as f32) * rate).exp()
                })
                .collect()
        };
        let k = decaying();
        let k_rev = (kind != Kind::Causal).then(&mut decaying);
        let d = Some(rng.vec(channels, 1.0));
        let lag = if kind == Kind::Safari { ReverseLag::Zero } else { ReverseLag::One };
        Self { k, k_rev, d, lag, taps }
    }

    fn filter(&self, channels: usize) -> Filter<'_> {
        Filter {
            forward: Matrix::new(&self.k, channels),
            reverse: self.k_rev.as_ref().map(|k| Matrix::new(k, channels)),
            reverse_lag: self.lag,
            len: self.taps,
            skip: self.d.as_deref(),
        }
    }

    /// The kernel of channel `h` at lags −(len−1)..len, lag 0 in the middle.
    fn lags(&self, channels: usize, h: usize, len: usize) -> Vec<f64> {
        let mut lags = vec![0.0; 2 * len - 1];
        for s in 0..len.min(self.taps) {
            lags[len - 1 + s] += f64::from(self.k[s * channels + h]);
        }
        if let Some(k_rev) = &self.k_rev {
            let first = usize::from(self.lag == ReverseLag::One);
            for s in 0..self.taps.min(len - first) {
                lags[len - 1 - first - s] += f64::from(k_rev[s * channels + h]);
            }
        }
        lags[len - 1] += self.d.as_ref().map_or(0.0, |d| f64::from(d[h]));
        lags
    }

    /// The exact convolution of one row and channel, and the size to judge errors by.
    fn exact(&self, channels: usize, h: usize, x: &[f64]) -> (Vec<f64>, f64) {
        let len = x.len();
        if len == 0 {
            return (Vec::new(), 0.0);
        }
        let lags = self.lags(channels, h, len);
        let y: Vec<f64> = if len <= 600 {
            (0..len).map(|t| (0..len).map(|s| lags[len - 1 + t - s] * x[s]).sum()).collect()
        } else {
            oracle::convolve(&lags, x)[len - 1..2 * len - 1].to_vec()
        };
        // A transform rounds in proportion to the whole kernel, also where a short row sees little
        // of it.
        let whole = self.lags(channels, h, self.taps.max(len));
        let norm = whole.iter().map(|k| k * k).sum::<f64>().sqrt();
        let top = |x: &[f64]| x.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        (y.clone(), top(&y).max(norm * top(x)))
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Bidirectional,
    Causal,
    Safari,
}

/// Linear convolution by a textbook transform in f64.
mod oracle {
    type C = (f64, f64);

    fn fft(x: &mut [C], sign: f64) {
        let n = x.len();
        if n == 1 {
            return;
        }
        let mut even: Vec<C> = x.iter().step_by(2).copied().collect();
        let mut odd: Vec<C> = x.iter().skip(1).step_by(2).copied().collect();
        fft(&mut even, sign);
        fft(&mut odd, sign);
        for j in 0..n / 2 {
            let (s, c) = (sign * 2.0 * std::f64::consts::PI * j as f64 / n as f64).sin_cos();
            let (a, b) = (even[j], (odd[j].0 * c - odd[j].1 * s, odd[j].0 * s + odd[j].1 * c));
            x[j] = (a.0 + b.0, a.1 + b.1);
            x[j + n / 2] = (a.0 - b.0, a.1 - b.1);
        }
    }

    pub fn convolve(a: &[f64], b: &[f64]) -> Vec<f64> {
        let len = a.len() + b.len() - 1;
        let n = len.next_power_of_two();
        let spectrum = |x: &[f64]| {
            let mut x: Vec<C> = x.iter().map(|&x| (x, 0.0)).collect();
            x.resize(n, (0.0, 0.0));
            fft(&mut x, -1.0);
            x
        };
        let mut y: Vec<C> = spectrum(a)
            .into_iter()
            .zip(spectrum(b))
            .map(|(a, b)| (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0))
            .collect();
        fft(&mut y, 1.0);
        y.iter().take(len).map(|y| y.0 / n as f64).collect()
    }
}

/// What one check runs.
struct Case {
    isa: Isa,
    channels: usize,
    span: usize,
    taps: usize,
    kind: Kind,
    lens: Vec<usize>,
    gated: bool,
    seed: u64,
}

impl Case {
    fn new(isa: Isa, channels: usize, span: usize, lens: &[usize]) -> Self {
        let seed = (span * 131 + channels) as u64;
        let (kind, lens) = (Kind::Bidirectional, lens.to_vec());
        Self { isa, channels, span, taps: span, kind, lens, gated: true, seed }
    }

    /// Rows with a token that belongs to nobody between them, and the number of tokens.
    fn rows(&self) -> (Vec<Row>, usize) {
        let mut offset = 1;
        let rows = self.lens.iter().map(|&len| {
            offset += len + 1;
            Row { offset: offset - len - 1, len }
        });
        let rows = rows.collect();
        (rows, offset)
    }

    /// Columns `column..column + channels` of wider matrices, poisoned outside the rows.
    fn inputs(&self, rng: &mut Random, wide: usize, sizes: [f32; 3]) -> [Vec<f32>; 3] {
        let (rows, tokens) = self.rows();
        sizes.map(|size| {
            let mut x = vec![f32::NAN; tokens * wide];
            for row in &rows {
                let part = &mut x[row.offset * wide..(row.offset + row.len) * wide];
                part.copy_from_slice(&rng.vec(row.len * wide, size));
            }
            x
        })
    }

    fn check_pair(&self) {
        let mut rng = Random(self.seed);
        let (h, wide) = (self.channels, self.channels + 3);
        let kernels = [(); 2].map(|()| Kernels::random(&mut rng, h, self.taps, self.kind));
        let [a, u, x2] = self.inputs(&mut rng, wide, [1.0, 1.0, 1.0]);
        let y = self.run_pair(&kernels, [&a, &u, &x2], wide);
        let (rows, tokens) = self.rows();
        let mut written = vec![false; tokens * wide];
        for row in &rows {
            for c in 0..h {
                let column = |x: &[f32]| -> Vec<f64> {
                    (0..row.len).map(|t| f64::from(x[(row.offset + t) * wide + c])).collect()
                };
                let (y1, size1) = kernels[0].exact(h, c, &column(&a));
                let (y2, size2) = kernels[1].exact(h, c, &column(&u));
                let gate = if self.gated { column(&x2) } else { vec![1.0; row.len] };
                for t in 0..row.len {
                    let at = (row.offset + t) * wide + c;
                    written[at] = true;
                    let error = (f64::from(y[at]) - (y1[t] * gate[t] + y2[t])).abs();
                    assert!(
                        error <= TOLERANCE * (size1 + size2),
                        "{:?} span {} row {row:?} token {t} channel {c}: error {error:e}, \
                         size {:e}",
                        self.isa,
                        self.span,
                        size1 + size2
                    );
                }
            }
        }
        assert!(y.iter().zip(&written).all(|(y, written)| *written || y.is_nan()));
    }

    fn run_pair(&self, kernels: &[Kernels; 2], x: [&[f32]; 3], wide: usize) -> Vec<f32> {
        let (rows, _) = self.rows();
        let transform = Transform::new(self.span);
        let mut scratch = Scratch::new(&transform).unwrap();
        scratch.poison();
        let mut spectrum = AlignedVec::try_zeroed(transform.pair_group_len()).unwrap();
        let mut y = vec![f32::NAN; x[0].len()];
        for group in 0..groups(self.channels) {
            spectrum.fill(f32::NAN);
            let filters = [kernels[0].filter(self.channels), kernels[1].filter(self.channels)];
            build_pair_group(
                self.isa,
                &transform,
                group,
                self.channels,
                &filters[0],
                &filters[1],
                &mut scratch,
                &mut spectrum,
            );
            scratch.poison();
            let operands = PairOperands {
                a: Matrix::new(x[0], wide),
                u: Matrix::new(x[1], wide),
                x2: self.gated.then(|| Matrix::new(x[2], wide)),
                y: MatrixMut::new(&mut y, wide),
            };
            let (isa, channels) = (self.isa, self.channels);
            // SAFETY: one thread, `y` is a fresh buffer.
            unsafe {
                conv_pair_group(
                    isa,
                    &transform,
                    group,
                    channels,
                    &rows,
                    operands,
                    &spectrum,
                    &mut scratch,
                );
            }
        }
        y
    }

    fn check_single(&self) {
        let mut rng = Random(self.seed);
        let (h, wide) = (self.channels, self.channels + 2);
        let kernels = Kernels::random(&mut rng, h, self.taps, self.kind);
        let [x, gate, _] = self.inputs(&mut rng, wide, [1.0, 1.0, 0.0]);
        let (rows, tokens) = self.rows();
        let transform = Transform::new(self.span);
        let mut scratch = Scratch::new(&transform).unwrap();
        let mut spectrum = AlignedVec::try_zeroed(transform.single_group_len()).unwrap();
        let mut y = vec![f32::NAN; tokens * wide];
        for group in 0..groups(h) {
            spectrum.fill(f32::NAN);
            scratch.poison();
            let (isa, filter) = (self.isa, kernels.filter(h));
            build_single_group(isa, &transform, group, h, &filter, &mut scratch, &mut spectrum);
            let operands = SingleOperands {
                x: Matrix::new(&x, wide),
                gate: self.gated.then(|| Matrix::new(&gate, wide)),
                y: MatrixMut::new(&mut y, wide),
            };
            // SAFETY: one thread, `y` is a fresh buffer.
            unsafe {
                conv_single_group(
                    isa,
                    &transform,
                    group,
                    h,
                    &rows,
                    operands,
                    &spectrum,
                    &mut scratch,
                );
            }
        }
        for row in &rows {
            for c in 0..h {
                let at = |t: usize| (row.offset + t) * wide + c;
                let column: Vec<f64> = (0..row.len).map(|t| f64::from(x[at(t)])).collect();
                let (exact, size) = kernels.exact(h, c, &column);
                for t in 0..row.len {
                    let gate = if self.gated { f64::from(gate[at(t)]) } else { 1.0 };
                    let error = (f64::from(y[at(t)]) - exact[t] * gate).abs();
                    assert!(error <= TOLERANCE * size, "{:?} {row:?} {t} {c}: {error:e}", self.isa);
                }
            }
        }
        assert_eq!(
            y.iter().filter(|y| !y.is_nan()).count(),
            rows.iter().map(|row| row.len * h).sum::<usize>()
        );
    }
}

#[test]
fn every_short_length_matches_the_direct_sum() {
    for isa in Isa::available() {
        for len in 1..=300 {
            Case::new(isa, 1 + len % 3, len, &[len]).check_pair();
        }
    }
}

#[test]
fn ragged_rows_of_a_larger_class_match() {
    for isa in Isa::available() {
        for channels in [5, 16, 17] {
            for span in [1usize, 8, 32, 64, 128, 256, 512] {
                let mut lens = vec![span, 1, 0, span / 2 + 1, 13, 113, 14, span.div_ceil(3), 2];
                lens.retain(|&len| len <= Transform::new(span).len());
                Case::new(isa, channels, span, &lens).check_pair();
                Case::new(isa, channels, span, &lens).check_single();
            }
        }
    }
}

#[test]
fn causal_and_lag_zero_filters_without_gate_match() {
    for isa in Isa::available() {
        for kind in [Kind::Bidirectional, Kind::Causal, Kind::Safari] {
            for taps in [0, 1, 50, 128, 200] {
                let case = Case::new(isa, 3, 128, &[100, 128, 1, 50]);
                let case = Case { kind, taps, gated: false, ..case };
                case.check_pair();
                case.check_single();
            }
        }
    }
}

#[test]
fn long_lengths_match_around_every_power_of_two() {
    for isa in Isa::available() {
        for log in 9..=13 {
            for len in [(1 << log) - 1, 1 << log, (1 << log) + 1] {
                Case::new(isa, 1, len, &[len]).check_pair();
            }
        }
    }
    for len in [16_384, 32_767, 65_536] {
        Case::new(Isa::detect(), 1, len, &[len]).check_pair();
        Case::new(Isa::detect(), 1, len, &[len / 2 + 1, len]).check_single();
    }
}

#[test]
fn the_smaller_of_two_signals_keeps_its_digits() {
    for isa in Isa::available() {
        for (len, sizes, gains) in [
            (256, [1000.0, 1.0, 0.0], [1.0, 1.0]),
            (256, [1.0, 1000.0, 1e9], [1.0, 1.0]),
            (2048, [1e-12, 1e6, 1e30], [1.0, 1.0]),
            (256, [1.0, 1.0, 0.0], [1000.0, 1.0]),
            (2048, [1.0, 1.0, 1e9], [1.0, 1000.0]),
        ] {
            let case = Case::new(isa, 2, len, &[len]);
            let mut rng = Random(len as u64);
            let mut kernels =
                [(); 2].map(|()| Kernels::random(&mut rng, 2, len, Kind::Bidirectional));
            for (kernels, gain) in kernels.iter_mut().zip(gains) {
                let Kernels { k, k_rev, d, .. } = kernels;
                let parts = [Some(k), k_rev.as_mut(), d.as_mut()];
                parts.into_iter().flatten().flatten().for_each(|k| *k *= gain);
            }
            let [a, u, mut x2] = case.inputs(&mut rng, 2, sizes);
            // The gate shows one of the two results alone.
            x2.fill(sizes[2]);
            let y = case.run_pair(&kernels, [&a, &u, &x2], 2);
            for c in 0..2 {
                let seen = if sizes[2] == 0.0 { (&kernels[1], &u) } else { (&kernels[0], &a) };
                let at = |t: usize| (1 + t) * 2 + c;
                let column: Vec<f64> = (0..len).map(|t| f64::from(seen.1[at(t)])).collect();
                let other: Vec<f64> = (0..len).map(|t| f64::from(u[at(t)])).collect();
                let factor = if sizes[2] == 0.0 { 1.0 } else { f64::from(sizes[2]) };
                let exact = seen.0.exact(2, c, &column).0;
                let rest = kernels[1].exact(2, c, &other).0;
                let top = exact.iter().fold(0.0, |m: f64, y| m.max(y.abs())) * factor;
                for t in 0..len {
                    let rest = if sizes[2] == 0.0 { 0.0 } else { rest[t] };
                    let error = (f64::from(y[at(t)]) - (exact[t] * factor + rest)).abs();
                    assert!(error <= TOLERANCE * top, "{isa:?} {sizes:?}: {:e}", error / top);
                }
            }
        }
    }
}

#[test]
fn zero_and_extreme_channels_stay_finite() {
    for isa in Isa::available() {
        let case = Case::new(isa, 4, 64, &[64]);
        let mut rng = Random(9);
        let kernels = [(); 2].map(|()| Kernels::random(&mut rng, 4, 64, Kind::Bidirectional));
        let [mut a, mut u, x2] = case.inputs(&mut rng, 4, [1.0; 3]);
        for t in 1..65 {
            a[4 * t] = 0.0;
            u[4 * t + 1] = 0.0;
            a[4 * t + 2] *= 1e-38;
            u[4 * t + 2] *= 1e30;
            (a[4 * t + 3], u[4 * t + 3]) = (0.0, 0.0);
        }
        let y = case.run_pair(&kernels, [&a, &u, &x2], 4);
        assert!(y[4..4 * 65].iter().all(|y| y.is_finite()));
        assert!((1..65).all(|t| y[4 * t + 3] == 0.0));
    }
}

#[test]
fn the_result_may_overwrite_an_input() {
    let case = Case::new(Isa::detect(), 16, 128, &[100, 128]);
    let mut rng = Random(5);
    let kernels = [(); 2].map(|()| Kernels::random(&mut rng, 16, 128, Kind::Bidirectional));
    let [a, u, x2] = case.inputs(&mut rng, 16, [1.0; 3]);
    let fresh = case.run_pair(&kernels, [&a, &u, &x2], 16);
    let transform = Transform::new(128);
    let mut scratch = Scratch::new(&transform).unwrap();
    let mut spectrum = AlignedVec::try_zeroed(transform.pair_group_len()).unwrap();
    let (isa, (rows, _)) = (case.isa, case.rows());
    let [k1, k2] = [kernels[0].filter(16), kernels[1].filter(16)];
    build_pair_group(isa, &transform, 0, 16, &k1, &k2, &mut scratch, &mut spectrum);
    for target in 0..3 {
        let mut x = [a.clone(), u.clone(), x2.clone()];
        let ptrs = [0, 1, 2].map(|i| x[i].as_mut_ptr());
        // SAFETY: pointers into `x`, which nobody else uses meanwhile.
        unsafe {
            let [a, u, x2] = ptrs.map(|p| Matrix::from_raw(p, fresh.len(), 16));
            let y = MatrixMut::from_raw(ptrs[target], fresh.len(), 16);
            let operands = PairOperands { a, u, x2: Some(x2), y };
            conv_pair_group(isa, &transform, 0, 16, &rows, operands, &spectrum, &mut scratch);
        }
        let same = |(y, fresh): (&f32, &f32)| fresh.is_nan() || y.to_bits() == fresh.to_bits();
        assert!(x[target].iter().zip(&fresh).all(same));
    }
}
