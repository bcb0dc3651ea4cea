//! Long convolutions on the GPU against f64: every length, several channel and row groups.

use std::collections::BTreeMap;

use crate::common::{Case, Random, gpu, open};
use m2_ir::{
    Backend, Batch, Binary, Builder, DType, Dim, Expr, HostTensor, NodeId, Op, RowTable, Sizes,
    Target,
    ops::{self, ReverseLag},
    plan::{Fusion, lower},
};
use m2_wgpu::{Limits, Options, WgpuBackend};
use pollster::block_on;

const T: Dim = Dim::Tokens;

fn tokens(g: &mut Builder, name: &str, h: usize) -> NodeId {
    g.input(name, [T, Dim::Fixed(h)], DType::F32)
}

fn rows(lengths: &[usize]) -> RowTable {
    RowTable::new(lengths.iter().map(|&n| (n, n))).unwrap()
}

fn kernels(g: &mut Builder, reverse: Option<ReverseLag>, pair: bool, h: usize) -> NodeId {
    let mut x = Vec::new();
    for i in 0..1 + usize::from(pair) {
        x.push(g.input(&format!("k{i}"), [Dim::Span, Dim::Fixed(h)], DType::F32));
        if reverse.is_some() {
            x.push(g.input(&format!("r{i}"), [Dim::Span, Dim::Fixed(h)], DType::F32));
        }
        x.push(g.param(format!("d{i}"), &[h]));
    }
    g.add(ops::ConvSpectrum { reverse, pair }, &x).unwrap()
}

fn mixer(g: &mut Builder, reverse: Option<ReverseLag>, residual: bool, h: usize) -> NodeId {
    let p = tokens(g, "p", 3 * h);
    let (w, b) = (g.param("w", &[3 * h, 1, 3]), g.param("b", &[3 * h]));
    let mut x = vec![p, w, b, kernels(g, reverse, residual, h)];
    if residual {
        x.push(tokens(g, "u", h));
    }
    g.add(ops::SequenceMixer { taps: 3, residual }, &x).unwrap()
}

const REVERSES: [Option<ReverseLag>; 3] = [None, Some(ReverseLag::Next), Some(ReverseLag::Current)];

/// Row lengths that make classes of 1, 2, 8, 64 and 2048, the last the longest transform.
fn row_tables() -> Vec<(RowTable, usize)> {
    vec![
        (rows(&[1]), 3),
        (rows(&[2, 1]), 3),
        (rows(&[5, 7, 3]), 4),
        (rows(&[1, 5, 32, 37]), 5),
        (rows(&[128, 100]), 2),
        (rows(&[1030]), 1),
        (rows(&[1030, 2000, 3]), 2),
    ]
}

fn long_conv(g: &mut Builder, reverse: Option<ReverseLag>, h: usize) -> NodeId {
    let x = tokens(g, "x", h);
    let s = kernels(g, reverse, false, h);
    g.add(ops::LongConv, &[x, s]).unwrap()
}

fn pair(g: &mut Builder, reverse: Option<ReverseLag>, h: usize) -> NodeId {
    let (a, u, x2) = (tokens(g, "a", h), tokens(g, "u", h), tokens(g, "x2", h));
    let s = kernels(g, reverse, true, h);
    g.add(ops::ConvPair, &[a, u, x2, s]).unwrap()
}

#[test]
fn long_convolutions() {
    for (rows, h) in row_tables() {
        for reverse in REVERSES {
            let case = Case { rows: rows.clone(), ..Case::default() };
            case.check(|g| long_conv(g, reverse, h));
        }
    }
}

#[test]
fn sequence_mixers() {
    for (rows, h) in row_tables() {
        for (reverse, residual) in
            [(REVERSES[1], true), (REVERSES[0], true), (REVERSES[2], true), (REVERSES[1], false)]
        {
            let case = Case { rows: rows.clone(), tolerance: 4e-6, ..Case::default() };
            case.check(|g| mixer(g, reverse, residual, h));
        }
    }
}

/// One convolution whose row 1 is `size` times as large as the rows of which it shares transforms;
/// every row is compared with f64 relative to its own largest value, in or out: a row of one token
/// may come out small by cancellation.
fn rows_beside_a_large_one(gpu: &WgpuBackend, lengths: &[usize], size: f32) {
    let mut random = Random::fresh();
    let h = 3;
    let mut g = Builder::new();
    let y = long_conv(&mut g, REVERSES[1], h);
    g.output("y", y);
    let graph = g.finish();
    let mut batch = Batch::from_rows(rows(lengths));
    let (tokens, class) = (batch.sizes().tokens, batch.sizes().class());
    let large = batch.rows().rows()[1];
    let large = large.offset as usize..(large.offset + large.length) as usize;
    let mut x = random.values(tokens * h, 1.0);
    x[large.start * h..large.end * h].iter_mut().for_each(|v| *v *= size);
    batch = batch.with_input("x", HostTensor::from_f32(&[tokens, h], &x));
    let true_span = batch.sizes().span;
    let mut exact = batch.clone();
    for name in ["k0", "r0"] {
        let k = random.values(class.span * h, 1.0);
        batch = batch.with_input(name, HostTensor::from_f32(&[class.span, h], &k));
        let k = HostTensor::from_f32(&[true_span, h], &k[..true_span * h]);
        exact = exact.with_input(name, k);
    }
    let d = HostTensor::from_f32(&[h], &random.values(h, 1.0));
    let params = BTreeMap::from([("d0".to_owned(), d)]);
    let want = &m2_cpu::reference::run::<f64>(&graph, &params, &exact).unwrap()[0];
    let plan = lower(&graph, &gpu.target(), class, Fusion::Full).unwrap();
    let mut program = block_on(gpu.load(plan, &params, &mut gpu.weights())).unwrap();
    gpu.poison(&program);
    let run = block_on(gpu.run(&mut program, &batch)).unwrap();
    let got = block_on(gpu.read(&program, &run, 0)).unwrap().to_f64();
    for (i, row) in batch.rows().rows().iter().enumerate() {
        let own = row.offset as usize * h..(row.offset + row.length) as usize * h;
        let top = want.data[own.clone()].iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let top = x[own.clone()].iter().fold(top, |m, v| m.max(f64::from(v.abs())));
        for j in own {
            let error = (got[j] - want.data[j]).abs();
            assert!(error <= 2e-6 * top, "row {i}: {} instead of {}", got[j], want.data[j]);
        }
    }
}

#[test]
fn rows_that_share_a_transform_keep_their_own_precision() {
    let (Some(whole), Some(in_passes)) = (gpu(), passes(16, None)) else { return };
    for gpu in [whole, &in_passes] {
        for size in [1e6, 1e-6, 0.0] {
            for lengths in [&[37, 64, 9][..], &[64, 37], &[1, 33, 64, 0, 5]] {
                rows_beside_a_large_one(gpu, lengths, size);
            }
        }
    }
}

/// A device that transforms longer rows in passes, with so much scratch for its intermediates.
fn passes(longest: usize, scratch: Option<u64>) -> Option<WgpuBackend> {
    open(Options {
        limits: Limits::WebGpu,
        longest_transform: Some(longest),
        transform_scratch: scratch,
        ..Options::default()
    })
}

#[test]
fn transforms_in_passes() {
    // Matrices of 2 x 4, 4 x 8, 8 x 8, 8 x 16, 16 x 32 and 32 x 32.
    let tables = [
        (4, vec![7, 8, 3], 3),
        (4, vec![32, 0, 17], 1),
        (16, vec![33, 5, 64], 5),
        (16, vec![0, 128, 100], 2),
        (64, vec![500, 1], 3),
        (128, vec![1000], 1),
        (128, vec![1000, 1024, 0, 7], 2),
    ];
    for (longest, lengths, h) in tables {
        let Some(gpu) = passes(longest, None) else { return };
        let case = Case { rows: rows(&lengths), tolerance: 4e-6, ..Case::default() };
        case.check_on(&gpu, |g| mixer(g, REVERSES[1], true, h));
        case.check_on(&gpu, |g| long_conv(g, REVERSES[2], h));
        if h > 3 {
            case.check_on(&gpu, |g| mixer(g, REVERSES[2], true, h));
            case.check_on(&gpu, |g| mixer(g, REVERSES[0], true, h));
            case.check_on(&gpu, |g| mixer(g, REVERSES[1], false, h));
            case.check_on(&gpu, |g| long_conv(g, REVERSES[0], h));
            case.check_on(&gpu, |g| pair(g, REVERSES[1], h));
        }
    }
}

#[test]
fn passes_by_groups_of_channels_and_rows() {
    // A (channel, row) of 64 points takes 1 KiB: groups of 3 + 3 channels, of 4 + 3, of one channel
    // and 4 + 1 rows; of 1 + 1 + 1 pairs of rows, the last of one.
    let tables = [
        (4, vec![37], 6),
        (5, vec![37], 7),
        (4, vec![37, 64, 0, 9, 2], 2),
        (1, vec![37, 64, 0, 9, 2], 2),
    ];
    for (tasks, lengths, h) in tables {
        let Some(gpu) = passes(16, Some(tasks << 10)) else { return };
        let case = Case { rows: rows(&lengths), tolerance: 4e-6, ..Case::default() };
        case.check_on(&gpu, |g| mixer(g, REVERSES[1], true, h));
        case.check_on(&gpu, |g| long_conv(g, REVERSES[1], h));
    }
}

#[test]
fn real_lengths() {
    // 4096 points take 32 KiB, which WebGPU's limits do not grant and most adapters have.
    let granted = open(Options::default());
    for (length, gpu) in [(2100, gpu()), (2100, granted.as_ref()), (4100, gpu())] {
        let Some(gpu) = gpu else { return };
        let case = Case { rows: rows(&[length]), tolerance: 4e-6, ..Case::default() };
        case.check_on(gpu, |g| mixer(g, REVERSES[1], true, 2));
    }
}

/// A convolution of one channel at some positions, in f64.
fn at(n: usize, x: &[f32], k: &[f32], back: &[f32], d: f32) -> f64 {
    let sum: f64 = (0..x.len())
        .map(|s| {
            let k = if s <= n { k[n - s] } else { back[s - n - 1] };
            f64::from(k) * f64::from(x[s])
        })
        .sum();
    sum + f64::from(d) * f64::from(x[n])
}

#[test]
fn the_longest_rows_are_exact() {
    let (Some(gpu), mut random) = (gpu(), Random::fresh()) else { return };
    for (length, is_pair) in [(65_536, true), (262_144, false)] {
        let mut g = Builder::new();
        let y =
            if is_pair { pair(&mut g, REVERSES[1], 1) } else { long_conv(&mut g, REVERSES[1], 1) };
        g.output("y", y);
        let graph = g.finish();
        let mut batch = Batch::from_rows(rows(&[length]));
        let (mut params, mut values) = (BTreeMap::new(), BTreeMap::new());
        for node in graph.nodes().iter().filter(|n| n.op.is_source()) {
            let v = random.values(if node.op == Op::Param { 1 } else { length }, 1.0);
            if node.op == Op::Param {
                params.insert(node.name.clone(), HostTensor::from_f32(&[1], &v));
            } else {
                batch = batch.with_input(&node.name, HostTensor::from_f32(&[length, 1], &v));
            }
            values.insert(node.name.clone(), v);
        }
        let plan = lower(&graph, &gpu.target(), batch.sizes().class(), Fusion::Full).unwrap();
        let mut program = block_on(gpu.load(plan, &params, &mut gpu.weights())).unwrap();
        let run = block_on(gpu.run(&mut program, &batch)).unwrap();
        let got = block_on(gpu.read(&program, &run, 0)).unwrap().to_f64();
        let top = got.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let v = |name: &str| &values[name][..];
        let mut worst = 0.0f64;
        for n in (0..40).map(|_| random.below(length)).chain([0, 1, length - 1]) {
            let want = if is_pair {
                at(n, v("a"), v("k0"), v("r0"), v("d0")[0]) * f64::from(v("x2")[n])
                    + at(n, v("u"), v("k1"), v("r1"), v("d1")[0])
            } else {
                at(n, v("x"), v("k0"), v("r0"), v("d0")[0])
            };
            worst = worst.max((got[n] - want).abs() / top);
        }
        println!("{length} tokens: {worst:.1e} of the largest value");
        assert!(worst < 5e-7, "{length} tokens: {worst} of the largest value");
    }
}

/// A small a beside a large u, with a gate that makes both convolutions equally visible.
fn small_beside_large(gpu: &WgpuBackend, size: f64) {
    let case = Case { rows: rows(&[37, 64]), ..Case::default() };
    case.check_on(gpu, |g| {
        let h = 3;
        let scaled = |g: &mut Builder, name: &str, by: f64| {
            let x = tokens(g, name, h);
            let e = Expr::input(0).binary(Binary::Mul, &Expr::constant(by));
            g.add(ops::Elementwise::new(e), &[x]).unwrap()
        };
        let (a, x2) = (scaled(g, "a", size), scaled(g, "x2", 1.0 / size));
        let u = tokens(g, "u", h);
        let s = kernels(g, REVERSES[1], true, h);
        g.add(ops::ConvPair, &[a, u, x2, s]).unwrap()
    });
}

#[test]
fn small_signals_keep_their_precision_beside_large_ones() {
    let (Some(whole), Some(in_passes)) = (gpu(), passes(16, None)) else { return };
    for gpu in [whole, &in_passes] {
        for size in [1.0, 1e-3, 1e-6] {
            small_beside_large(gpu, size);
        }
    }
}

/// Kernels of n positions made by a network of a few neurons.
fn filter(g: &mut Builder, name: &str, n: usize, h: usize) -> NodeId {
    let shapes = ops::ImplicitFilter::operands(n, 5, 6, h);
    let x: Vec<NodeId> =
        (0..).zip(shapes).map(|(i, s)| g.param(format!("{name}{i}"), &s)).collect();
    g.add(ops::ImplicitFilter { w_mod: 3.0 }, &x).unwrap()
}

#[test]
fn implicit_filters() {
    // Kernels shorter and longer than the class.
    for n in [21, 64, 103] {
        for kept in [true, false] {
            let case = Case { tolerance: 1e-5, kept, ..Case::default() };
            case.check(|g| {
                let h = 13;
                let k = filter(g, "f", n, h);
                let d = g.param("d", &[h]);
                let op = ops::ConvSpectrum { reverse: Some(ReverseLag::Next), pair: false };
                let s = g.add(op, &[k, k, d]).unwrap();
                let x = tokens(g, "x", h);
                g.add(ops::LongConv, &[x, s]).unwrap()
            });
        }
    }
}

/// A mixer whose four filters are its own, and a fifth that another convolution reads too.
fn mixer_with_filters(g: &mut Builder, h: usize, n: usize) -> NodeId {
    let mut operands = Vec::new();
    for i in 0..2 {
        operands.push(filter(g, &format!("k{i}."), n, h));
        operands.push(filter(g, &format!("r{i}."), n, h));
        operands.push(g.param(format!("d{i}"), &[h]));
    }
    let op = ops::ConvSpectrum { reverse: REVERSES[1], pair: true };
    let s = g.add(op, &operands).unwrap();
    let (p, u) = (tokens(g, "p", 3 * h), tokens(g, "u", h));
    let (w, b) = (g.param("w", &[3 * h, 1, 3]), g.param("b", &[3 * h]));
    let y = g.add(ops::SequenceMixer { taps: 3, residual: true }, &[p, w, b, s, u]).unwrap();
    let single = ops::ConvSpectrum { reverse: None, pair: false };
    let shared = g.add(single, &[operands[0], operands[2]]).unwrap();
    g.add(ops::LongConv, &[y, shared]).unwrap()
}

#[test]
fn spectra_that_are_not_kept_are_made_by_groups_of_channels() {
    let devices = [passes(64, None), passes(64, Some(3 << 10)), passes(16, Some(6 << 10))];
    for gpu in devices {
        let Some(gpu) = gpu else { return };
        let rows = rows(&[37, 0, 64]);
        let case = Case { rows, tolerance: 2e-5, kept: false, ..Case::default() };
        case.check_on(&gpu, |g| mixer_with_filters(g, 7, 50));
    }
}

#[test]
fn the_step_that_reads_a_spectrum_makes_it() {
    let mut g = Builder::new();
    let y = mixer_with_filters(&mut g, 7, 50);
    g.output("y", y);
    let graph = g.finish();
    let mut target = Target::webgpu();
    let class = Sizes { tokens: 128, rows: 1, asked: 0, span: 64 };
    let kept = lower(&graph, &target, class, Fusion::Full).unwrap();
    assert!(kept.steps.iter().all(|s| s.nodes.len() == 1));
    target.frozen_budget = 0;
    let plan = lower(&graph, &target, class, Fusion::Full).unwrap();
    // The mixer with its spectrum and three filters, the other convolution with its spectrum.
    let sizes: Vec<usize> = plan.steps.iter().map(|s| s.nodes.len()).collect();
    assert_eq!(sizes, [1, 5, 2]);
    let costs = plan.costs();
    // p, u and the result: 5 H values a token.
    assert_eq!(costs[1].activation_width, 7);
    let alone = |name| graph.nodes().iter().position(|n| n.op.name() == name).unwrap();
    let (mixer, spectrum) = (alone("sequence_mixer"), alone("conv_spectrum"));
    let flops = |i: usize| {
        let node = &graph.nodes()[i];
        let types: Vec<_> = node.inputs.iter().map(|i| &graph.node(*i).ty).collect();
        node.op.rule().flops(&types, &node.ty, &class)
    };
    assert_eq!(
        costs[1].flops,
        flops(mixer) + flops(spectrum) + 3 * flops(alone("implicit_filter"))
    );
    assert!(plan.buffers.iter().sum::<u64>() < 2 * 128 * 7 * 4 + 64 * 7 * 4 + 1);
}
