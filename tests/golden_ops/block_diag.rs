//! `blockdiag_multiply*`, `blockdiag_linear*` (m2-bert.md 4.1, 4.2).

use m2_ir::{
    Binary, Dim, Expr, NodeId,
    ops::{BlockDiagMatMul, Elementwise, Pad, Permute, Reshape, Slice},
};

use super::{Arrange, Expected, as_tokens, as_weight, files, run};
use crate::support::case::Case;

#[test]
pub fn golden_blockdiag_multiply() {
    for file in files("blockdiag_multiply") {
        let mut c = Case::new(0);
        let (x, rows) = as_tokens(&mut c, &file, "in.x");
        let w = as_weight(&mut c, &file, "in.weight", None);
        let node = c.g.named("y", BlockDiagMatMul::default(), &[x, w]).unwrap();
        let y = Expected { tensor: "out.y".into(), node, arrange: Arrange::Rows };
        run(&file, c, &rows, vec![y], false);
    }
}

/// `x'[c·nb + g] = x[g·(n/nb) + c]`
fn shuffle(c: &mut Case, x: NodeId, nb: usize) -> NodeId {
    let n = c.g.node(x).ty.width().unwrap();
    let shape = |inner: &[usize]| Reshape {
        shape: std::iter::once(Dim::Tokens).chain(inner.iter().map(|&n| Dim::Fixed(n))).collect(),
    };
    let y = c.g.named("grid", shape(&[nb, n / nb]), &[x]).unwrap();
    let y = c.g.named("turned", Permute { order: vec![0, 2, 1] }, &[y]).unwrap();
    c.g.named("shuffled", shape(&[n]), &[y]).unwrap()
}

#[test]
pub fn golden_blockdiag_linear() {
    for file in files("blockdiag_linear") {
        let mut c = Case::new(0);
        let (mut x, rows) = as_tokens(&mut c, &file, "in.x");
        let w = as_weight(&mut c, &file, "in.weight", None);
        let bias = as_weight(&mut c, &file, "in.bias", None);
        let [nb, q, p] = file.get("in.weight").shape()[..] else { panic!("{}", file.name) };
        let out = *file.get("out.y").shape().last().unwrap();
        let after = nb * p - c.g.node(x).ty.width().unwrap();
        if after > 0 {
            x = c.g.named("padded", Pad { after }, &[x]).unwrap();
        }
        if file.params["shuffle"].as_bool().unwrap_or(false) {
            x = shuffle(&mut c, x, nb);
        }
        let mut y = c.g.named("product", BlockDiagMatMul::default(), &[x, w]).unwrap();
        if out < nb * q {
            y = c.g.named("cut", Slice { axis: 1, start: 0, len: out }, &[y]).unwrap();
        }
        let sum = Expr::input(0).binary(Binary::Add, &Expr::input(1));
        let node = c.g.named("y", Elementwise::new(sum), &[y, bias]).unwrap();
        let y = Expected { tensor: "out.y".into(), node, arrange: Arrange::Rows };
        run(&file, c, &rows, vec![y], false);
    }
}
