//! Single operators against the public references: each file of `ops/` in f64 and f32.

mod attention_pooler;
mod block_diag;
mod butterfly;
mod convolution;
mod filter;
mod pointwise;

use m2::verify::Limits;
use m2_ir::{HostTensor, NodeId, Sizes, plan::Fusion};

use crate::support::{
    case::{Case, Fill, RowSpec, difference, magnitude, table},
    device,
    golden::{OpFile, tree},
};

/// A golden output, our value of it, and how its elements lie.
struct Expected {
    tensor: String,
    node: NodeId,
    arrange: Arrange,
}

/// How a golden tensor lies beside our (T, W), (L, W) or (R, W) value.
#[derive(Clone, Copy, PartialEq)]
enum Arrange {
    /// Row by row as ours.
    Rows,
    /// (B, W, S) for rows of length S, (W, S) for a kernel.
    Channels,
}

/// Runs a file's graph by the oracle and by the device in both plans, and compares all outputs.
fn run(file: &OpFile, mut case: Case, rows: &[RowSpec], expected: Vec<Expected>, kernel: bool) {
    let outputs: Vec<&String> = expected.iter().map(|e| &e.tensor).collect();
    assert!(file.outputs().iter().all(|o| outputs.contains(&o)), "{}: outputs", file.name);
    for e in &expected {
        case.output(e.node);
    }
    let ready = case.finish();
    let device = device::current();
    let t = table(rows);
    let span = t.longest();
    let class = Sizes { tokens: t.tokens(), rows: rows.len(), asked: 0, span }.class();
    let mut all = vec![("f64".to_string(), ready.oracle(rows, &[]))];
    for fusion in [Fusion::Full, Fusion::None] {
        let mut program = ready.load(&device, class, fusion);
        let out = ready.run(&device, &mut program, class, rows, &[]);
        all.push((format!("f32 {fusion:?}"), out));
    }
    for (how, values) in all {
        for (e, value) in expected.iter().zip(&values) {
            let golden = file.get(&e.tensor).to_f64();
            let w = value.shape[1..].iter().product::<usize>();
            let found = match e.arrange {
                Arrange::Rows => value.meaningful(rows),
                Arrange::Channels => channels(&value.meaningful(rows), w, rows[0].length),
            };
            assert_eq!(found.len(), golden.len(), "{} {}", file.name, e.tensor);
            let err = file.err_abs(&e.tensor);
            let limits = if kernel { Limits::f32(err, true) } else { Limits::operator(err) };
            let limit = limits.of(magnitude(&golden));
            let error = difference(&found, &golden);
            println!(
                "{:<38} {:<16} {how:<8} error {error:.2e}  limit {limit:.2e}",
                file.name, e.tensor
            );
            assert!(error <= limit, "{} {} {how}: {error:e} > {limit:e}", file.name, e.tensor);
        }
    }
}

/// (.., S, W) as (.., W, S).
fn channels(x: &[f64], w: usize, s: usize) -> Vec<f64> {
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks(s * w) {
        out.extend((0..w).flat_map(|c| (0..s).map(move |t| row[t * w + c])));
    }
    out
}

/// A tensor (.., W) as one row of tokens.
fn as_tokens(case: &mut Case, file: &OpFile, tensor: &str) -> (NodeId, Vec<RowSpec>) {
    let x = file.get(tensor);
    let width = *x.shape().last().unwrap();
    let length = x.len() / width;
    let data = x.to_f64();
    let value = move |_: usize, t: usize, c: usize| data[t * width + c];
    let id = case.input(tensor, Fill::Tokens { width, value: std::rc::Rc::new(value) });
    (id, vec![RowSpec { key: 0, length, valid: length }])
}

/// A tensor (B, W, S) as B rows of S tokens.
fn as_rows(case: &mut Case, file: &OpFile, tensor: &str) -> (NodeId, Vec<RowSpec>) {
    let x = file.get(tensor);
    let [b, width, s] = x.shape()[..] else { panic!("{} {tensor}", file.name) };
    let data = x.to_f64();
    let value = move |row: usize, t: usize, c: usize| data[(row * width + c) * s + t];
    let id = case.input(tensor, Fill::Tokens { width, value: std::rc::Rc::new(value) });
    (id, (0..b).map(|key| RowSpec { key, length: s, valid: s }).collect())
}

/// A kernel (W, S) as (L, W); past S it is zero.
fn as_kernel(case: &mut Case, file: &OpFile, tensor: &str) -> NodeId {
    let x = file.get(tensor);
    let [width, s] = x.shape()[..] else { panic!("{} {tensor}", file.name) };
    let data = x.to_f64();
    let value = move |t: usize, c: usize| if t < s { data[c * s + t] } else { 0.0 };
    case.input(tensor, Fill::Kernel { width, value: std::rc::Rc::new(value) })
}

/// A tensor of the file as a weight, possibly under another shape.
fn as_weight(case: &mut Case, file: &OpFile, tensor: &str, shape: Option<&[usize]>) -> NodeId {
    let x = file.get(tensor);
    let x: HostTensor = shape.map_or_else(|| x.clone(), |s| x.reshaped(s).unwrap());
    case.tensor(tensor, &x)
}

fn files(prefix: &str) -> Vec<OpFile> {
    tree().ops(&[prefix])
}

#[test]
fn golden_ops_on_the_gpu() {
    device::on_the_gpu(
        device::gpu(),
        &[
            attention_pooler::golden_attention_pooler,
            block_diag::golden_blockdiag_multiply,
            block_diag::golden_blockdiag_linear,
            butterfly::golden_butterfly_products,
            butterfly::golden_butterfly_einsum,
            convolution::golden_fftconv,
            convolution::golden_shortconv,
            filter::golden_filters,
            pointwise::golden_pointwise,
        ],
    );
}
