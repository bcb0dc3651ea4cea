//! A graph with its data: run by the f64 oracle and by a device, on any rows.

use std::{collections::BTreeMap, rc::Rc};

use m2::{Device, DeviceProgram};
use m2_cpu::reference;
use m2_ir::{
    Batch, Builder, DType, Dim, Graph, HostTensor, NodeId, RowTable, Sizes, Type,
    ops::ImplicitFilter,
    plan::{Fusion, lower},
};

use super::random::{Random, element};

/// A row of a batch: which text it is, its tokens and how many of them are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowSpec {
    pub key: usize,
    pub length: usize,
    pub valid: usize,
}

/// How the values of an input come about, independent of the other rows of a batch.
#[derive(Clone)]
pub enum Fill {
    /// (T, width) by row key, position and channel.
    Tokens { width: usize, value: Rc<dyn Fn(usize, usize, usize) -> f64> },
    /// (T) by row key and position.
    Ids { value: Rc<dyn Fn(usize, usize) -> u32> },
    /// (L, width) by position and channel.
    Kernel { width: usize, value: Rc<dyn Fn(usize, usize) -> f64> },
}

/// A value and the type that says how it lies.
#[derive(Clone, Debug)]
pub struct Value {
    pub ty: Type,
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

/// A graph, its weights and how its inputs are filled.
pub struct Case {
    pub g: Builder,
    pub random: Random,
    pub params: BTreeMap<String, HostTensor>,
    fills: Vec<(String, Fill)>,
    seed: u32,
}

/// A finished case.
pub struct Ready {
    pub graph: Graph,
    pub params: BTreeMap<String, HostTensor>,
    fills: Vec<(String, Fill)>,
}

impl Case {
    pub fn new(seed: u32) -> Self {
        let random = Random::new(seed);
        Case { g: Builder::new(), random, params: BTreeMap::new(), fills: Vec::new(), seed }
    }

    /// An input of given values.
    pub fn input(&mut self, name: &str, fill: Fill) -> NodeId {
        let (shape, dtype) = match &fill {
            Fill::Tokens { width, .. } => (vec![Dim::Tokens, Dim::Fixed(*width)], DType::F32),
            Fill::Ids { .. } => (vec![Dim::Tokens], DType::U32),
            Fill::Kernel { width, .. } => (vec![Dim::Span, Dim::Fixed(*width)], DType::F32),
        };
        self.fills.push((name.into(), fill));
        self.g.input(name, shape, dtype)
    }

    /// A random (T, width) input in [−1, 1).
    pub fn tokens(&mut self, name: &str, width: usize) -> NodeId {
        let (seed, stream) = (self.seed, name.to_string());
        let value = move |key: usize, t: usize, c: usize| {
            element(seed, &stream, ((key as u64) << 40) + ((t as u64) << 20) + c as u64)
        };
        self.input(name, Fill::Tokens { width, value: Rc::new(value) })
    }

    /// Random ids below `entries`, (T).
    pub fn ids(&mut self, name: &str, entries: usize) -> NodeId {
        let (seed, stream) = (self.seed, name.to_string());
        let value = move |key: usize, t: usize| {
            let x = element(seed, &stream, ((key as u64) << 40) + t as u64);
            ((x + 1.0) / 2.0 * entries as f64) as u32
        };
        self.input(name, Fill::Ids { value: Rc::new(value) })
    }

    /// A random kernel (L, width) that decays, as an input of every run.
    pub fn kernel(&mut self, name: &str, width: usize) -> NodeId {
        let (seed, stream) = (self.seed, name.to_string());
        let value = move |t: usize, c: usize| {
            let x = element(seed, &stream, ((t as u64) << 20) + c as u64);
            f64::from((x / (1.0 + t as f64 / 8.0)) as f32)
        };
        self.input(name, Fill::Kernel { width, value: Rc::new(value) })
    }

    /// A kernel (L, width) made by a small sine network for up to `positions` tokens: it depends on
    /// weights alone, so that spectra are computed once.
    pub fn filter(&mut self, name: &str, width: usize, positions: usize) -> NodeId {
        let (e, o) = (3, 5);
        let mut operands = vec![self.weight(&format!("{name}.z"), &[1, positions, e], 1.0)];
        let times: Vec<f32> = m2_nn::tables::times(positions);
        operands.push(self.given(&format!("{name}.t"), &[1, positions, 1], &times));
        operands.push(self.weight(&format!("{name}.deltas"), &[1, 1, width], 3.0));
        operands.push(self.weight(&format!("{name}.freq"), &[1, o], 2.0));
        for (layer, inputs) in [(0, e), (2, o), (4, o)] {
            operands.push(self.weight(&format!("{name}.{layer}.weight"), &[o, inputs], 1.0));
            operands.push(self.weight(&format!("{name}.{layer}.bias"), &[o], 1.0));
        }
        operands.push(self.weight(&format!("{name}.6.weight"), &[width, o], 0.3));
        self.g.named(name, ImplicitFilter { w_mod: 1.0 }, &operands).unwrap()
    }

    /// A random weight in [−scale, scale).
    pub fn weight(&mut self, name: &str, shape: &[usize], scale: f64) -> NodeId {
        let len = shape.iter().product::<usize>() as u64;
        let at = |i| (element(self.seed, name, i) * scale) as f32;
        let data: Vec<f32> = (0..len).map(at).collect();
        self.given(name, shape, &data)
    }

    /// A weight of given values.
    pub fn given(&mut self, name: &str, shape: &[usize], data: &[f32]) -> NodeId {
        self.params.insert(name.into(), HostTensor::from_f32(shape, data));
        self.g.param(name, shape)
    }

    /// A weight of a file.
    pub fn tensor(&mut self, name: &str, tensor: &HostTensor) -> NodeId {
        self.params.insert(name.into(), tensor.clone());
        self.g.param(name, tensor.shape())
    }

    /// Marks a value as wanted, by an own name.
    pub fn output(&mut self, id: NodeId) {
        let name = format!("out{}", id.index());
        self.g.output(name, id);
    }

    pub fn finish(self) -> Ready {
        Ready { graph: self.g.finish(), params: self.params, fills: self.fills }
    }
}

/// The row table of these rows.
pub fn table(rows: &[RowSpec]) -> RowTable {
    RowTable::new(rows.iter().map(|r| (r.length, r.valid))).unwrap()
}

impl Ready {
    /// The data of a run. Kernels have `span` rows. What lies between rows is NaN in the inputs: no
    /// result may depend on it.
    pub fn batch(&self, rows: &[RowSpec], asked: &[u32], span: usize) -> Batch {
        let table = table(rows);
        let mut batch = Batch::from_rows(table.clone());
        for (name, fill) in &self.fills {
            let tensor = match fill {
                Fill::Tokens { width, value } => {
                    let mut data = vec![f32::NAN; table.tokens() * width];
                    for (spec, row) in rows.iter().zip(table.rows()) {
                        for (t, c) in
                            (0..spec.length).flat_map(|t| (0..*width).map(move |c| (t, c)))
                        {
                            data[(row.offset as usize + t) * width + c] =
                                value(spec.key, t, c) as f32;
                        }
                    }
                    HostTensor::from_f32(&[table.tokens(), *width], &data)
                }
                Fill::Ids { value } => {
                    let mut data = vec![0; table.tokens()];
                    for (spec, row) in rows.iter().zip(table.rows()) {
                        for t in 0..spec.length {
                            data[row.offset as usize + t] = value(spec.key, t);
                        }
                    }
                    HostTensor::from_u32(&[table.tokens()], &data)
                }
                Fill::Kernel { width, value } => {
                    let each = (0..span).flat_map(|t| (0..*width).map(move |c| (t, c)));
                    let data: Vec<f32> = each.map(|(t, c)| value(t, c) as f32).collect();
                    HostTensor::from_f32(&[span, *width], &data)
                }
            };
            batch = batch.with_input(name, tensor);
        }
        batch.with_asked(asked.to_vec()).unwrap()
    }

    /// The values by the definition of each op, in f64.
    pub fn oracle(&self, rows: &[RowSpec], asked: &[u32]) -> Vec<Value> {
        self.oracle_of(&self.graph, rows, asked)
    }

    /// As [`Ready::oracle`], of another graph with the same inputs and weights.
    pub fn oracle_of(&self, graph: &Graph, rows: &[RowSpec], asked: &[u32]) -> Vec<Value> {
        let batch = self.batch(rows, asked, table(rows).longest());
        let out = reference::run::<f64>(graph, &self.params, &batch).unwrap();
        let types = graph.outputs().iter().map(|(_, id)| graph.node(*id).ty.clone());
        types.zip(out).map(|(ty, a)| Value { ty, shape: a.shape, data: a.data }).collect()
    }

    /// A program for batches of up to these sizes.
    pub fn load(&self, device: &Device, class: Sizes, fusion: Fusion) -> DeviceProgram {
        let plan = lower(&self.graph, &device.target(), class, fusion).unwrap();
        let mut weights = device.weights();
        pollster::block_on(device.load(plan, &self.params, &mut weights)).unwrap()
    }

    /// Runs a program that was made for `class`.
    pub fn run(
        &self,
        device: &Device,
        program: &mut DeviceProgram,
        class: Sizes,
        rows: &[RowSpec],
        asked: &[u32],
    ) -> Vec<Value> {
        let batch = self.batch(rows, asked, class.span);
        let run = pollster::block_on(device.run(program, &batch)).unwrap();
        let read = |(i, (_, id)): (usize, &(String, NodeId))| {
            let tensor = pollster::block_on(device.read(program, &run, i)).unwrap();
            let ty = self.graph.node(*id).ty.clone();
            Value { ty, shape: tensor.shape().to_vec(), data: tensor.to_f64() }
        };
        self.graph.outputs().iter().enumerate().map(read).collect()
    }
}

impl Value {
    /// The elements that mean something, in order: of (T, …) values those inside a row, along L
    /// those of the row's valid tokens (attention's keys) or of the longest row (kernels).
    pub fn meaningful(&self, rows: &[RowSpec]) -> Vec<f64> {
        let table = table(rows);
        let lead = self.shape.first().copied().unwrap_or(1);
        let inner = self.data.len() / lead.max(1);
        let last_is_span = self.ty.shape.len() > 1 && self.ty.shape.last() == Some(&Dim::Span);
        match self.ty.shape.first() {
            Some(Dim::Tokens) => {
                let mut out = Vec::new();
                for row in table.rows() {
                    for t in row.offset..row.offset + row.length {
                        let all = &self.data[t as usize * inner..][..inner];
                        match last_is_span {
                            false => out.extend_from_slice(all),
                            true => {
                                let span = self.shape[self.shape.len() - 1];
                                for s in all.chunks(span) {
                                    out.extend_from_slice(&s[..row.valid as usize]);
                                }
                            }
                        }
                    }
                }
                out
            }
            Some(Dim::Span) => self.data[..table.longest() * inner].to_vec(),
            _ => self.data.clone(),
        }
    }
}

/// The largest |a − b|; equal infinities agree, NaN never does.
pub fn difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let one = |(x, y): (&f64, &f64)| match x == y {
        true => 0.0,
        false if (x - y).is_finite() => (x - y).abs(),
        false => f64::INFINITY,
    };
    a.iter().zip(b).map(one).fold(0.0, f64::max)
}

/// The largest finite magnitude.
pub fn magnitude(a: &[f64]) -> f64 {
    a.iter().map(|v| v.abs()).filter(|v| v.is_finite()).fold(0.0, f64::max)
}
