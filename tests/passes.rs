//! Passes and plans on random graphs: the same function, byte-equal dumps, rules kept.

use m2_ir::{
    Binary, Dim, Expr, Graph, NodeId, Sizes, Target, Unary,
    ops::*,
    passes::{self, Pass},
    plan::{Fusion, lower},
};

use crate::{
    ops::check,
    support::case::{Case, Ready, difference, magnitude},
};

/// How many graphs each test builds.
const GRAPHS: u32 = 40;

fn add(c: &mut Case, a: NodeId, b: NodeId) -> NodeId {
    let sum = Expr::input(0).binary(Binary::Add, &Expr::input(1));
    c.g.named("sum", Elementwise::new(sum), &[a, b]).unwrap()
}

/// A product with bias, activation, gate or residual as separate ops: what fusion is for.
fn product(c: &mut Case, n: usize, x: NodeId) -> NodeId {
    let k = c.g.node(x).ty.width().unwrap();
    let width = 2 * c.random.within(1, 8);
    let mut y = match c.random.one_in(3) && k.is_multiple_of(2) {
        true => {
            let w = c.weight(&format!("w{n}"), &[2, width / 2, k / 2], 0.7);
            c.g.named("blocks", BlockDiagMatMul::default(), &[x, w]).unwrap()
        }
        false => {
            let w = c.weight(&format!("w{n}"), &[width, k], 0.7);
            c.g.named("product", MatMul::linear(), &[x, w]).unwrap()
        }
    };
    if c.random.one_in(2) {
        let b = c.weight(&format!("b{n}"), &[width], 1.0);
        y = add(c, y, b);
    }
    match c.random.below(3) {
        0 => unary(c, y, Unary::Gelu),
        1 => {
            let half = width / 2;
            let mut part =
                |start| c.g.named("half", Slice { axis: 1, start, len: half }, &[y]).unwrap();
            let (a, b) = (part(0), part(half));
            let gate = Expr::input(0).unary(Unary::Gelu).binary(Binary::Mul, &Expr::input(1));
            c.g.named("gated", Elementwise::new(gate), &[a, b]).unwrap()
        }
        _ => y,
    }
}

fn unary(c: &mut Case, x: NodeId, f: Unary) -> NodeId {
    c.g.named("unary", Elementwise::new(Expr::input(0).unary(f)), &[x]).unwrap()
}

fn norm(c: &mut Case, n: usize, x: NodeId) -> NodeId {
    let width = c.g.node(x).ty.width().unwrap();
    let (w, b) =
        (c.weight(&format!("nw{n}"), &[width], 1.0), c.weight(&format!("nb{n}"), &[width], 1.0));
    c.g.named("norm", LayerNorm { eps: 1e-5, residual: false }, &[x, w, b]).unwrap()
}

fn mixer(c: &mut Case, n: usize, u: NodeId) -> NodeId {
    let h = c.g.node(u).ty.width().unwrap();
    let w = c.weight(&format!("in{n}"), &[3 * h, h], 0.7);
    let p = c.g.named("in", MatMul::linear(), &[u, w]).unwrap();
    let residual = c.random.one_in(2);
    let mut kernels = Vec::new();
    for i in 0..1 + usize::from(residual) {
        kernels.push(c.filter(&format!("f{n}.{i}"), h, 40));
        kernels.push(c.filter(&format!("r{n}.{i}"), h, 40));
        kernels.push(c.weight(&format!("d{n}.{i}"), &[h], 1.0));
    }
    let spectrum = ConvSpectrum { reverse: Some(ReverseLag::Next), pair: residual };
    let s = c.g.named("spectrum", spectrum, &kernels).unwrap();
    let taps = c.weight(&format!("t{n}"), &[3 * h, 1, 3], 1.0);
    let b = c.weight(&format!("tb{n}"), &[3 * h], 1.0);
    let mut operands = vec![p, taps, b, s];
    operands.extend(residual.then_some(u));
    c.g.named("mixer", SequenceMixer { taps: 3, residual }, &operands).unwrap()
}

/// Ten ops on what is there, then some of the values taken, pooled or kept whole.
pub fn random_graph(seed: u32) -> Ready {
    let mut c = Case::new(seed);
    let width = 2 * c.random.within(1, 6);
    let mut values = vec![c.tokens("x", width), c.tokens("y", width)];
    for n in 0..10 {
        let x = values[c.random.below(values.len())];
        let same: Vec<NodeId> =
            values.iter().copied().filter(|v| c.g.node(*v).ty == c.g.node(x).ty).collect();
        let other = same[c.random.below(same.len())];
        let y = match c.random.below(8) {
            0..=2 => product(&mut c, n, x),
            3 => add(&mut c, x, other),
            4 => norm(&mut c, n, x),
            5 => unary(&mut c, x, Unary::Tanh),
            6 => mixer(&mut c, n, x),
            _ => {
                let attention = Attention { heads: 1, alibi: c.random.one_in(2) };
                c.g.named("attention", attention, &[x, other, x]).unwrap()
            }
        };
        // Sums of residual and product are what a layer norm takes in.
        let y = match c.random.one_in(3) {
            true if c.g.node(y).ty == c.g.node(x).ty => {
                let sum = add(&mut c, y, x);
                norm(&mut c, 100 + n, sum)
            }
            _ => y,
        };
        values.push(y);
    }
    let last = *values.last().unwrap();
    let first = c.g.named("first", GatherRows { which: Which::First }, &[last]).unwrap();
    let asked = c.g.named("asked", GatherRows { which: Which::Asked }, &[last]).unwrap();
    let mean = c.g.named("mean", PoolRows, &[last]).unwrap();
    let mut wanted = vec![first];
    wanted.extend(c.random.one_in(2).then_some(asked));
    wanted.extend(c.random.one_in(2).then_some(mean));
    wanted.extend(c.random.one_in(2).then_some(values[c.random.below(values.len())]));
    for id in wanted {
        c.output(id);
    }
    c.finish()
}

fn all_passes() -> Vec<Pass> {
    let mut all = passes::fused(&Target::cpu(u64::MAX));
    all.extend(passes::fused(&Target::webgpu()));
    all.extend(passes::decomposed());
    all
}

fn same_function(ready: &Ready, graph: &Graph, at: &str) {
    let rows = &check::batches(7)[0];
    let asked = [0, 1];
    let (a, b) = (ready.oracle(rows, &asked), ready.oracle_of(graph, rows, &asked));
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        let (a, b) = (a.meaningful(rows), b.meaningful(rows));
        let (error, limit) = (difference(&a, &b), 1e-12 * magnitude(&a).max(1.0));
        assert!(error <= limit, "{at}: output {i}: {error:e} > {limit:e}");
    }
}

/// Each pass by itself, then each list: the fused plans of both kinds of machine and the oracle's.
#[test]
fn every_pass_keeps_the_function() {
    for seed in 0..GRAPHS {
        let ready = random_graph(seed);
        for (name, pass) in all_passes() {
            let after = pass(&ready.graph).unwrap();
            after.verify().unwrap();
            ready.graph.same_outputs(&after).unwrap();
            same_function(&ready, &after, &format!("graph {seed}, {name}"));
        }
        let lists = [
            passes::fused(&Target::cpu(u64::MAX)),
            passes::fused(&Target::webgpu()),
            passes::decomposed(),
        ];
        for list in lists {
            let after = passes::run(&ready.graph, &list, |_, _| {}).unwrap();
            same_function(&ready, &after, &format!("graph {seed}, all of {}", list.len()));
        }
    }
}

#[test]
fn fusion_leaves_fewer_ops() {
    let ops = |g: &Graph| g.nodes().iter().filter(|n| !n.op.is_source()).count();
    let (mut before, mut after) = (0, 0);
    for seed in 0..GRAPHS {
        let ready = random_graph(seed);
        let list = passes::fused(&Target::webgpu());
        before += ops(&passes::dead_code(&ready.graph).unwrap());
        after += ops(&passes::run(&ready.graph, &list, |_, _| {}).unwrap());
    }
    assert!(after < before * 85 / 100, "{before} ops became {after}");
}

/// The device runs random graphs as it runs single ops.
#[test]
fn random_graphs_on_the_cpu() {
    for seed in 0..GRAPHS {
        let ready = random_graph(seed);
        // Ten ops in a row add their roundings up.
        let tolerance = 3e-5;
        check::round_of(&format!("graph {seed}"), &ready, tolerance, &check::batches(seed));
    }
}

fn class() -> Sizes {
    Sizes { tokens: 128, rows: 8, asked: 16, span: 64 }
}

#[test]
fn plans_are_verified_and_byte_equal() {
    for seed in 0..GRAPHS {
        for target in [Target::cpu(u64::MAX), Target::webgpu()] {
            for fusion in [Fusion::Full, Fusion::None] {
                let plan = || lower(&random_graph(seed).graph, &target, class(), fusion).unwrap();
                let (a, b) = (plan(), plan());
                a.verify().unwrap();
                assert_eq!(a.to_string(), b.to_string(), "graph {seed}");
                assert_eq!(a.graph.to_string(), b.graph.to_string(), "graph {seed}");
                assert_eq!(a.costs(), b.costs());
            }
        }
    }
}

/// A plan's buffers never hold two values that are needed at once: `Plan::verify` is the judge, and
/// here it is shown to judge.
#[test]
fn a_plan_that_overwrites_is_refused() {
    let ready = random_graph(3);
    let plan = lower(&ready.graph, &Target::webgpu(), class(), Fusion::None).unwrap();
    let mut refused = 0;
    for i in 0..plan.places.len() {
        let mut broken = plan.clone();
        if let m2_ir::plan::Place::Buffer(b) = broken.places[i] {
            broken.places[i] = m2_ir::plan::Place::Buffer((b + 1) % broken.buffers.len());
            refused += usize::from(broken.verify().is_err());
        }
    }
    assert!(plan.buffers.len() > 1 && refused > 0);
}

#[test]
fn limits_of_a_target_are_kept() {
    let ready = random_graph(1);
    let mut small = Target::webgpu();
    small.max_buffer = 64;
    let error = lower(&ready.graph, &small, class(), Fusion::Full).unwrap_err();
    assert!(matches!(error, m2_ir::Error::Limit { .. }), "{error}");
    let error = lower(&ready.graph, &Target::cpu(1000), class(), Fusion::Full).unwrap_err();
    assert!(error.to_string().contains("the device allows 1000"), "{error}");
}

#[test]
fn sinking_a_gather_runs_token_local_ops_on_rows_only() {
    let mut c = Case::new(1);
    let x = c.tokens("x", 8);
    let w = c.weight("w", &[6, 8], 1.0);
    let y = c.g.named("y", MatMul::linear(), &[x, w]).unwrap();
    let y = c.g.named("first", GatherRows { which: Which::First }, &[y]).unwrap();
    c.output(y);
    let graph = passes::sink_gather(&c.finish().graph).unwrap();
    let product = graph.nodes().iter().find(|n| n.op.name() == "matmul").unwrap();
    assert_eq!(product.ty.shape, [Dim::Rows, Dim::Fixed(6)]);
}
