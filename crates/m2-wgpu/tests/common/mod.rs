//! What the tests of this crate share: an adapter, random graphs' data, comparison with f64.

use std::{collections::BTreeMap, sync::OnceLock};

use m2_cpu::reference;
use m2_ir::{
    Backend, Batch, Builder, DType, Dim, Graph, HostTensor, NodeId, Op, RowTable, Sizes,
    f16_to_f32, f32_to_f16,
    ops::{self, Epilogue},
    plan::{Fusion, lower},
};
use m2_wgpu::{Choice, Limits, Options, WgpuBackend};
use pollster::block_on;

/// The adapter named by `M2_ADAPTER`, or the best; none is an error where `M2_REQUIRE_GPU` is 1.
pub fn gpu() -> Option<&'static WgpuBackend> {
    static GPU: OnceLock<Option<WgpuBackend>> = OnceLock::new();
    let found =
        GPU.get_or_init(|| open(Options { limits: Limits::WebGpu, ..Options::default() })).as_ref();
    if found.is_none() {
        println!("skipped: no adapter");
    }
    found
}

/// The same adapter, opened with other options.
pub fn open(options: Options) -> Option<WgpuBackend> {
    let adapter: Choice = std::env::var("M2_ADAPTER").unwrap_or_default().parse().unwrap();
    match block_on(WgpuBackend::open(&Options { adapter, ..options })) {
        Ok(gpu) => {
            println!("adapter: {:?}", gpu.adapter());
            Some(gpu)
        }
        Err(e) => {
            let required = std::env::var("M2_REQUIRE_GPU").is_ok_and(|v| v == "1");
            assert!(!required, "M2_REQUIRE_GPU is set: {e}");
            None
        }
    }
}

/// SplitMix64.
pub struct Random(u64);

impl Random {
    /// New inputs in every run; the seed is printed for a failing test to show.
    pub fn fresh() -> Self {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(1, |d| d.as_nanos() as u64);
        println!("seed {now}");
        Random(now)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Values between −scale and scale.
    pub fn values(&mut self, n: usize, scale: f32) -> Vec<f32> {
        (0..n)
            .map(|_| scale * (2.0 * (self.next() >> 40) as f32 / (1 << 24) as f32 - 1.0))
            .collect()
    }
}

/// Rows of odd lengths with gaps between them, some with padding.
pub fn ragged() -> RowTable {
    RowTable::new([(1, 1), (5, 3), (32, 32), (37, 30), (4, 4), (2, 0)]).unwrap()
}

/// An input of the batch's tokens.
pub fn tokens(g: &mut Builder, name: &str, h: usize) -> NodeId {
    g.input(name, [Dim::Tokens, Dim::Fixed(h)], DType::F32)
}

/// Adds what follows a product as separate ops; the fused plan takes it into the epilogue.
pub fn with_epilogue(
    g: &mut Builder,
    op: Op,
    x: NodeId,
    w: NodeId,
    n: usize,
    e: Epilogue,
) -> NodeId {
    let out = if e.glu { n / 2 } else { n };
    let mut operands = vec![x, w];
    if e.bias {
        operands.push(g.param("bias", &[n]));
    }
    if e.residual {
        let lead = g.node(x).ty.shape[0];
        operands.push(g.input("residual", [lead, Dim::Fixed(out)], DType::F32));
    }
    g.add(op, &operands).unwrap()
}

/// Epilogues of every kind.
pub fn epilogues() -> Vec<Epilogue> {
    use ops::Activation::{Gelu, None, Tanh};
    let e = |bias, activation, glu, residual| Epilogue { bias, activation, glu, residual };
    vec![
        Epilogue::default(),
        e(true, Gelu, false, true),
        e(true, Tanh, false, false),
        e(true, Gelu, true, true),
        e(false, None, true, false),
    ]
}

/// A graph under test with the scale of its data.
pub struct Case {
    pub rows: RowTable,
    pub asked: Vec<u32>,
    pub scale: f32,
    pub tolerance: f64,
    /// Whether values that depend on weights alone are kept between runs.
    pub kept: bool,
    /// Whether the device rounds weights (their names begin with w) to halves.
    pub halves: bool,
    /// Whether the decomposed graph is compared too.
    pub decomposed: bool,
}

impl Default for Case {
    fn default() -> Self {
        let (scale, tolerance) = (1.0, 2e-6);
        let (kept, halves, decomposed) = (true, false, true);
        Case { rows: ragged(), asked: Vec::new(), scale, tolerance, kept, halves, decomposed }
    }
}

impl Case {
    /// Builds a graph, runs it fused and decomposed, and compares every output with f64.
    pub fn check(&self, build: impl FnOnce(&mut Builder) -> NodeId) {
        if let Some(gpu) = gpu() {
            self.check_on(gpu, build);
        }
    }

    pub fn check_on(&self, gpu: &WgpuBackend, build: impl FnOnce(&mut Builder) -> NodeId) {
        let mut g = Builder::new();
        let out = build(&mut g);
        g.output("out", out);
        self.check_graph(gpu, &g.finish());
    }

    pub fn check_graph(&self, gpu: &WgpuBackend, graph: &Graph) {
        let mut random = Random::fresh();
        let params = self.params(graph, &mut random);
        self.check_with(gpu, graph, &params, &mut random);
    }

    fn params(&self, graph: &Graph, random: &mut Random) -> BTreeMap<String, HostTensor> {
        let params = graph.nodes().iter().filter(|n| n.op == Op::Param);
        params
            .map(|n| {
                let shape = n.ty.concrete(&Sizes::default());
                let values = random.values(shape.iter().product(), self.scale);
                (n.name.clone(), HostTensor::from_f32(&shape, &values))
            })
            .collect()
    }

    pub fn check_with(
        &self,
        gpu: &WgpuBackend,
        graph: &Graph,
        params: &BTreeMap<String, HostTensor>,
        random: &mut Random,
    ) {
        let base = Batch::from_rows(self.rows.clone()).with_asked(self.asked.clone()).unwrap();
        let class = base.sizes().class();
        let (ours, theirs) = self.inputs(graph, &base, &class, random);
        let expected = reference::run::<f64>(graph, &self.stored(params), &theirs).unwrap();
        let mut target = gpu.target();
        target.frozen_budget *= u64::from(self.kept);
        let fusions = &[Fusion::Full, Fusion::None][..1 + usize::from(self.decomposed)];
        for &fusion in fusions {
            let plan = lower(graph, &target, class, fusion).unwrap();
            let mut weights = gpu.weights();
            let mut program = block_on(gpu.load(plan, params, &mut weights)).unwrap();
            for _ in 0..2 {
                gpu.poison(&program);
                let run = block_on(gpu.run(&mut program, &ours)).unwrap();
                for (i, want) in expected.iter().enumerate() {
                    let got = block_on(gpu.read(&program, &run, i)).unwrap();
                    let name = format!("{} {fusion:?}", graph.outputs()[i].0);
                    let lead = graph.node(graph.outputs()[i].1).ty.shape.first().copied();
                    self.compare(&name, lead, &got, &want.shape, &want.data);
                }
            }
        }
    }

    /// Weights as the device keeps them.
    fn stored(&self, params: &BTreeMap<String, HostTensor>) -> BTreeMap<String, HostTensor> {
        let rounded = |t: &HostTensor| {
            let round = |v: &f32| f16_to_f32(f32_to_f16(*v));
            HostTensor::from_f32(t.shape(), &t.to_f32().iter().map(round).collect::<Vec<_>>())
        };
        let stored = |name: &str, t| {
            if self.halves && name.starts_with('w') { rounded(t) } else { t.clone() }
        };
        params.iter().map(|(name, t)| (name.clone(), stored(name, t))).collect()
    }

    /// The same data for the device (spans at their class) and for the reference (at true size).
    fn inputs(
        &self,
        graph: &Graph,
        base: &Batch,
        class: &Sizes,
        random: &mut Random,
    ) -> (Batch, Batch) {
        let (mut ours, mut theirs) = (base.clone(), base.clone());
        let true_sizes = base.sizes();
        let at_class = Sizes { span: class.span, ..true_sizes };
        for node in graph.nodes().iter().filter(|n| n.op == Op::Input) {
            let (long, short) = (node.ty.concrete(&at_class), node.ty.concrete(&true_sizes));
            let n = short.iter().product::<usize>();
            if node.ty.dtype == DType::U32 {
                let ids: Vec<u32> = (0..n).map(|_| random.below(7) as u32).collect();
                let ids = HostTensor::from_u32(&short, &ids);
                ours = ours.with_input(&node.name, ids.clone());
                theirs = theirs.with_input(&node.name, ids);
                continue;
            }
            let values = random.values(long.iter().product(), self.scale);
            ours = ours.with_input(&node.name, HostTensor::from_f32(&long, &values));
            theirs = theirs.with_input(&node.name, HostTensor::from_f32(&short, &values[..n]));
        }
        (ours, theirs)
    }

    /// Compares all tokens that belong to rows; what lies in gaps only has to be there.
    fn compare(
        &self,
        name: &str,
        lead: Option<Dim>,
        got: &HostTensor,
        shape: &[usize],
        want: &[f64],
    ) {
        let got_values = got.to_f64();
        let step = |shape: &[usize]| shape[1..].iter().product::<usize>();
        let (width, got_width) = (step(shape), step(got.shape()));
        // Scores have an axis at its class: only its true part is compared.
        let last = *shape.last().unwrap();
        let got_last = *got.shape().last().unwrap();
        let top = want.iter().filter(|v| v.is_finite()).fold(0.0f64, |m, v| m.max(v.abs()));
        for i in 0..shape[0] {
            if lead == Some(Dim::Tokens) && !self.is_token(i) {
                continue;
            }
            for j in 0..width {
                let w = want[i * width + j];
                let g = got_values[i * got_width + j / last * got_last + j % last];
                let close = if w.is_finite() {
                    (w - g).abs() <= self.tolerance * top.max(1e-30)
                } else {
                    w == g
                };
                assert!(close, "{name}[{i}, {j}]: {g} instead of {w} (largest {top})");
            }
        }
    }

    fn is_token(&self, t: usize) -> bool {
        let rows = self.rows.rows();
        rows.iter().any(|r| (r.offset as usize..(r.offset + r.length) as usize).contains(&t))
    }
}
