//! Values larger than a binding lie in pieces: whole layers against f64 within small limits.

use crate::common::{Case, open};
use m2_ir::{
    Builder, DType, Dim, NodeId, RowTable,
    ops::{self, Activation, Epilogue, Orientation, ReverseLag},
    plan::{Fusion, lower},
};
use m2_wgpu::{Error, Limits, Options, ProductVariant, Storage};

const H: usize = 256;
const INNER: usize = 4 * H;
const SPAN: usize = 64;

fn spectrum(g: &mut Builder, n: usize) -> NodeId {
    let f: Vec<_> = (0..)
        .zip(ops::ImplicitFilter::operands(SPAN, 3, 4, H))
        .map(|(i, s)| g.param(format!("f{n}.{i}"), &s))
        .collect();
    let k = g.add(ops::ImplicitFilter { w_mod: 1.0 }, &f).unwrap();
    let d = g.param(format!("d{n}"), &[H]);
    let op = ops::ConvSpectrum { reverse: Some(ReverseLag::Next), pair: true };
    g.add(op, &[k, k, d, k, k, d]).unwrap()
}

/// A layer of M2-BERT: every activation but the hidden state is larger than it.
fn layer(g: &mut Builder, n: usize, x: NodeId) -> NodeId {
    let param = |g: &mut Builder, name: &str, shape: &[usize]| g.param(format!("{name}{n}"), shape);
    let bias = Epilogue { bias: true, ..Epilogue::default() };
    let (w, b) = (param(g, "w_in", &[3 * H, H]), param(g, "b_in", &[3 * H]));
    let op = ops::MatMul { epilogue: bias, orientation: Orientation::Nt };
    let p = g.add(op, &[x, w, b]).unwrap();
    let (w, b) = (param(g, "short", &[3 * H, 1, 3]), param(g, "bias", &[3 * H]));
    let s = spectrum(g, n);
    let y = g.add(ops::SequenceMixer { taps: 3, residual: true }, &[p, w, b, s, x]).unwrap();
    let (w, b) = (param(g, "w_gate", &[4, INNER / 2, H / 4]), param(g, "b_gate", &[2 * INNER]));
    let epilogue = Epilogue { glu: true, activation: Activation::Gelu, ..bias };
    let r = g.add(ops::BlockDiagMatMul { epilogue }, &[y, w, b]).unwrap();
    let (w, b) = (param(g, "w_out", &[4, H / 4, H]), param(g, "b_out", &[H]));
    let epilogue = Epilogue { residual: true, ..bias };
    g.add(ops::BlockDiagMatMul { epilogue }, &[r, w, b, x]).unwrap()
}

/// Two layers; the norm between them runs inside their products where the device can.
fn layers(g: &mut Builder) -> NodeId {
    let x = g.input("x", [Dim::Tokens, Dim::Fixed(H)], DType::F32);
    let y = layer(g, 0, x);
    let norm = [y, g.param("gamma", &[H]), g.param("beta", &[H])];
    let x = g.add(ops::LayerNorm { eps: 1e-12, residual: false }, &norm).unwrap();
    layer(g, 1, x)
}

#[test]
fn layers_run_though_their_values_exceed_a_binding() {
    let limits = Limits::AtMost { binding: 5 << 18, buffer: 5 << 18, workgroup_memory: 16 << 10 };
    for (products, weights) in
        [(ProductVariant::Direct, Storage::F32), (ProductVariant::Tiled, Storage::F16)]
    {
        let options = Options {
            limits: limits.clone(),
            products: Some(products),
            norms_in_products: true,
            weights,
            ..Options::default()
        };
        let Some(gpu) = open(options) else { return };
        let rows = RowTable::new((0..24).map(|i| (i * 2 + 1, i * 2 + 1)).chain([(64, 60); 5]));
        let rows = rows.unwrap();
        assert_eq!(rows.tokens().next_power_of_two(), 1024);
        let case = Case {
            rows,
            scale: 0.1,
            tolerance: 1e-5,
            halves: weights == Storage::F16,
            decomposed: false,
            ..Case::default()
        };
        case.check_on(&gpu, layers);
    }
}

#[test]
fn what_cannot_be_cut_is_said_to_be_too_large() {
    let limits = Limits::AtMost { binding: 1 << 20, buffer: 1 << 20, workgroup_memory: 16 << 10 };
    let Some(gpu) = open(Options { limits, ..Options::default() }) else { return };
    let mut g = Builder::new();
    let y = layers(&mut g);
    g.output("y", y);
    let class = m2_ir::Sizes { tokens: 2048, rows: 64, asked: 0, span: 64 };
    let plan = lower(&g.finish(), &m2_ir::Backend::target(&gpu), class, Fusion::Full).unwrap();
    let error = gpu.schedule(&plan).unwrap_err();
    assert!(matches!(error, Error::Limit { needed, .. } if needed > 1 << 20), "{error}");
}
