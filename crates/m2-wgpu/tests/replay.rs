//! Loading, replaying and failing: no object is made in a run, and every fault is a typed error.

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use m2_ir::{
    Backend, Batch, Builder, DType, Dim, Graph, HostTensor, Plan, RowTable, Sizes, Target, ops,
    plan::{Fusion, lower},
};
use m2_wgpu::{Choice, Error, Options, WgpuBackend};
use pollster::block_on;

const H: usize = 6;
const CLASS: Sizes = Sizes { tokens: 64, rows: 4, asked: 0, span: 32 };

type Params = BTreeMap<String, HostTensor>;

/// A device of this test's own, since it counts objects and destroys devices.
fn device() -> Option<WgpuBackend> {
    let adapter: Choice = std::env::var("M2_ADAPTER").unwrap_or_default().parse().unwrap();
    match block_on(WgpuBackend::open(&Options { adapter, ..Options::default() })) {
        Ok(gpu) => Some(gpu),
        Err(e) => {
            let required = std::env::var("M2_REQUIRE_GPU").is_ok_and(|v| v == "1");
            assert!(!required, "M2_REQUIRE_GPU is set: {e}");
            println!("skipped: no adapter");
            None
        }
    }
}

/// A mixer between two products, its spectrum computed at load.
fn graph() -> Graph {
    let mut g = Builder::new();
    let x = g.input("x", [Dim::Tokens, Dim::Fixed(H)], DType::F32);
    let w_in = g.param("in", &[3 * H, H]);
    let p = g.add(ops::MatMul::linear(), &[x, w_in]).unwrap();
    let (w, b) = (g.param("short", &[3 * H, 1, 3]), g.param("bias", &[3 * H]));
    let f: Vec<_> = (0..)
        .zip(ops::ImplicitFilter::operands(32, 5, 4, H))
        .map(|(i, s)| g.param(format!("f{i}"), &s))
        .collect();
    let k = g.add(ops::ImplicitFilter { w_mod: 1.0 }, &f).unwrap();
    let d = g.param("d", &[H]);
    let reverse = Some(ops::ReverseLag::Next);
    let spectrum = ops::ConvSpectrum { reverse, pair: true };
    let s = g.add(spectrum, &[k, k, d, k, k, d]).unwrap();
    let y = g.add(ops::SequenceMixer { taps: 3, residual: true }, &[p, w, b, s, x]).unwrap();
    let w_out = g.param("out", &[2, H]);
    let y = g.add(ops::MatMul::linear(), &[y, w_out]).unwrap();
    g.output("y", y);
    g.finish()
}

fn params(graph: &Graph) -> Params {
    let sources = graph.nodes().iter().filter(|n| n.op == m2_ir::Op::Param);
    sources
        .map(|n| {
            let shape = n.ty.concrete(&CLASS);
            let count = shape.iter().product();
            let values: Vec<f32> =
                (0..count).map(|i| ((i * 37 % 19) as f32 - 9.0) / 10.0).collect();
            (n.name.clone(), HostTensor::from_f32(&shape, &values))
        })
        .collect()
}

fn batch(lengths: &[usize]) -> Batch {
    let rows = RowTable::new(lengths.iter().map(|&n| (n, n))).unwrap();
    let t = rows.tokens();
    let x: Vec<f32> = (0..t * H).map(|i| ((i * 31 % 23) as f32 - 11.0) / 12.0).collect();
    Batch::from_rows(rows).with_input("x", HostTensor::from_f32(&[t, H], &x))
}

fn plan(gpu: &WgpuBackend) -> Plan {
    lower(&graph(), &gpu.target(), CLASS, Fusion::Full).unwrap()
}

fn fails<T: Debug>(result: Result<T, Error>) -> String {
    result.expect_err("an error was expected").to_string()
}

#[test]
fn a_run_makes_no_object_and_leaves_no_trace() {
    let Some(gpu) = device() else { return };
    let graph = graph();
    let params = params(&graph);
    let mut weights = gpu.weights();
    let mut program = block_on(gpu.load(plan(&gpu), &params, &mut weights)).unwrap();
    let fresh = |gpu: &WgpuBackend, batch: &Batch| {
        let expected = m2_cpu::reference::run::<f64>(&graph, &params, batch).unwrap();
        let mut weights = gpu.weights();
        let mut other = block_on(gpu.load(plan(gpu), &params, &mut weights)).unwrap();
        let run = block_on(gpu.run(&mut other, batch)).unwrap();
        let got = block_on(gpu.read(&other, &run, 0)).unwrap();
        for (g, e) in got.to_f64().iter().zip(&expected[0].data).take(10) {
            assert!((g - e).abs() < 1e-4, "{g} instead of {e}");
        }
        got
    };
    let made = gpu.created();
    let mut results = Vec::new();
    // The longer batch in between must leave nothing behind.
    for lengths in [&[5, 9][..], &[32, 17, 3], &[5, 9]] {
        let run = block_on(gpu.run(&mut program, &batch(lengths))).unwrap();
        results.push(block_on(gpu.read(&program, &run, 0)).unwrap());
    }
    assert_eq!(gpu.created(), made);
    for (lengths, result) in [&[5, 9][..], &[32, 17, 3], &[5, 9]].iter().zip(results) {
        assert_eq!(fresh(&gpu, &batch(lengths)).bytes(), result.bytes());
    }
    // A second program of the same model finds its pipelines and weights.
    let made = gpu.created();
    block_on(gpu.load(plan(&gpu), &params, &mut weights)).unwrap();
    assert_eq!(gpu.created().pipelines, made.pipelines);
}

#[test]
fn what_is_recorded_and_what_lives_is_what_was_planned() {
    let Some(gpu) = device() else { return };
    let params = params(&graph());
    let plan = plan(&gpu);
    let schedule = gpu.schedule(&plan).unwrap();
    let width: u64 = plan.costs().iter().map(|c| c.activation_width).sum();
    let mut weights = gpu.weights();
    let mut program = block_on(gpu.load(plan, &params, &mut weights)).unwrap();
    assert_eq!(program.memory(), schedule.memory);
    assert_eq!(gpu.live_bytes(), schedule.memory.total());
    block_on(gpu.run(&mut program, &batch(&[32, 32]))).unwrap();
    let recorded = program.recorded().unwrap();
    assert_eq!(recorded.dispatches, schedule.dispatches.len() as u64);
    let planned: u64 = schedule.dispatches.iter().map(|d| d.activation_bytes).sum();
    assert_eq!(recorded.activation_bytes, planned);
    // The graph's own count of activation values says the same.
    assert_eq!(recorded.activation_bytes, width * 64 * 4);
    assert_eq!(gpu.live_bytes(), schedule.memory.total());
    drop((program, weights));
    assert_eq!(gpu.live_bytes(), 0);
}

#[test]
fn a_profile_times_every_dispatch() {
    let Some(gpu) = device() else { return };
    let params = params(&graph());
    let program = block_on(gpu.load(plan(&gpu), &params, &mut gpu.weights())).unwrap();
    match block_on(gpu.profile(&program, &batch(&[32, 9]))) {
        Err(Error::NoClock) => println!("skipped: no clock"),
        timed => {
            let timed = timed.unwrap();
            assert_eq!(timed.len(), gpu.schedule(program.plan()).unwrap().dispatches.len());
            assert!(timed.iter().any(|t| t.seconds > 0.0));
        }
    }
}

#[test]
fn a_device_lost_in_the_midst_of_work_is_a_typed_error() {
    let params = params(&graph());
    for dispatches in 0..8 {
        let Some(gpu) = device() else { return };
        gpu.destroy_after(dispatches);
        let (mut weights, batch) = (gpu.weights(), batch(&[4, 20]));
        let result = block_on(async {
            let mut program = gpu.load(plan(&gpu), &params, &mut weights).await?;
            let run = gpu.run(&mut program, &batch).await?;
            gpu.read(&program, &run, 0).await
        });
        match result {
            Err(Error::DeviceLost(_)) => {}
            Err(e) => panic!("after {dispatches}: {e}"),
            Ok(found) => assert!(found.to_f32().iter().all(|v| v.is_finite())),
        }
    }
}

#[test]
fn a_ceiling_is_plausible_and_runs_repeat() {
    let Some(gpu) = device() else { return };
    let rate = block_on(gpu.multiply_adds(Duration::from_millis(50))).unwrap();
    // A loop that the compiler removed would seem faster than any GPU.
    assert!(rate > 1e-3 && rate < 1e6, "{rate} GFLOP/s");
    let params = params(&graph());
    let mut program = block_on(gpu.load(plan(&gpu), &params, &mut gpu.weights())).unwrap();
    assert!(fails(gpu.replay(&program, 1)).contains("nothing has run yet"));
    let run = block_on(gpu.run(&mut program, &batch(&[5, 9]))).unwrap();
    let once = block_on(gpu.read(&program, &run, 0)).unwrap();
    gpu.poison(&program);
    let run = gpu.replay(&program, 3).unwrap();
    assert_eq!(once.bytes(), block_on(gpu.read(&program, &run, 0)).unwrap().bytes());
}

#[test]
fn several_runs_are_in_flight() {
    let Some(gpu) = device() else { return };
    let params = params(&graph());
    let mut program = block_on(gpu.load(plan(&gpu), &params, &mut gpu.weights())).unwrap();
    let batches = [&[5, 9][..], &[32, 17, 3], &[1]].map(batch);
    let alone: Vec<HostTensor> = (batches.iter())
        .map(|batch| {
            let run = block_on(gpu.run(&mut program, batch)).unwrap();
            block_on(gpu.read(&program, &run, 0)).unwrap()
        })
        .collect();
    let made = gpu.created();
    assert_eq!(program.in_flight(), batches.len());
    let mut begin = |batch: &Batch| block_on(gpu.run(&mut program, batch));
    let mut runs: Vec<_> = batches.iter().map(|b| begin(b).unwrap()).collect();
    assert!(fails(begin(&batches[0])).contains("3 runs of the plan are in flight"));
    // One that nobody reads, although it is being read.
    drop(runs.remove(0));
    runs.push(begin(&batches[0]).unwrap());
    for (run, i) in runs.iter().zip([1, 2, 0]).rev() {
        for _ in 0..2 {
            let found = block_on(gpu.read(&program, run, 0)).unwrap();
            assert_eq!(found.bytes(), alone[i].bytes(), "batch {i}");
        }
    }
    assert_eq!(gpu.created(), made);
}

#[test]
fn an_empty_batch_runs() {
    let Some(gpu) = device() else { return };
    let params = params(&graph());
    let mut program = block_on(gpu.load(plan(&gpu), &params, &mut gpu.weights())).unwrap();
    for lengths in [&[][..], &[0, 0]] {
        let run = block_on(gpu.run(&mut program, &batch(lengths))).unwrap();
        assert!(block_on(gpu.read(&program, &run, 0)).unwrap().is_empty());
    }
}

#[test]
fn faults_are_typed() {
    let Some(gpu) = device() else { return };
    let good = params(&graph());
    let load = |params: &Params| block_on(gpu.load(plan(&gpu), params, &mut gpu.weights()));
    let mut missing = good.clone();
    missing.remove("in");
    assert!(fails(load(&missing)).contains("weight in is missing"));
    let mut wrong = good.clone();
    wrong.insert("out".into(), HostTensor::from_f32(&[H, 2], &[0.0; 2 * H]));
    assert!(fails(load(&wrong)).contains("expected shape [2, 6], found [6, 2]"));
    let cpu = lower(&graph(), &Target::cpu(1 << 30), CLASS, Fusion::Full).unwrap();
    assert!(matches!(block_on(gpu.load(cpu, &good, &mut gpu.weights())), Err(Error::Plan(_))));

    let mut program = load(&good).unwrap();
    assert!(matches!(
        block_on(gpu.run(&mut program, &batch(&[33]))),
        Err(Error::Batch(m2_ir::BatchError::Class { .. }))
    ));
    let run = block_on(gpu.run(&mut program, &batch(&[4]))).unwrap();
    assert!(fails(block_on(gpu.read(&program, &run, 1))).contains("no such output"));
}

#[test]
fn a_lost_device_is_said_to_be_lost() {
    let Some(gpu) = device() else { return };
    let params = params(&graph());
    let mut program = block_on(gpu.load(plan(&gpu), &params, &mut gpu.weights())).unwrap();
    block_on(gpu.run(&mut program, &batch(&[4]))).unwrap();
    gpu.destroy();
    let found = block_on(async {
        let run = gpu.run(&mut program, &batch(&[4])).await?;
        gpu.read(&program, &run, 0).await
    });
    assert!(matches!(found, Err(Error::DeviceLost(_))), "{found:?}");
    let loaded = block_on(gpu.load(plan(&gpu), &params, &mut gpu.weights()));
    assert!(matches!(loaded, Err(Error::DeviceLost(_))), "{found:?} {loaded:?}");
}

#[test]
fn an_unknown_adapter_is_named() {
    let options = Options { adapter: Choice::Name("no such card".into()), ..Options::default() };
    let error = fails(block_on(WgpuBackend::open(&options)));
    assert!(error.contains("named no such card"), "{error}");
}
