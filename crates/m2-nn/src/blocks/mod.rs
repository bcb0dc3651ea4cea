//! Parts that models are wired of. Each adds its ops to a graph and names checkpoint tensors by
//! their public names.

mod attention;
mod embeddings;
mod heads;
mod mixer;
mod mlp;

pub use attention::{alibi_attention, bert_attention};
pub use embeddings::embeddings;
pub use heads::{attention_pooling, classifier, mlm_head, normalised, pooler};
pub use mixer::{filter, mixer};
pub use mlp::{bert_mlp, monarch_mlp};

use m2_ir::{Binary, Builder, Error, Expr, NodeId, Unary, ops};

/// `a + b`, broadcasting.
pub fn add(g: &mut Builder, name: &str, a: NodeId, b: NodeId) -> Result<NodeId, Error> {
    let sum = Expr::input(0).binary(Binary::Add, &Expr::input(1));
    g.named(name, ops::Elementwise::new(sum), &[a, b])
}

/// `f(x)`, element by element.
pub fn unary(g: &mut Builder, name: &str, f: Unary, x: NodeId) -> Result<NodeId, Error> {
    g.named(name, ops::Elementwise::new(Expr::input(0).unary(f)), &[x])
}

/// `x·Wᵀ + b` with `at.weight` (out, in) and `at.bias` (out).
pub fn linear(
    g: &mut Builder,
    name: &str,
    at: &str,
    x: NodeId,
    out: usize,
) -> Result<NodeId, Error> {
    let width = g.node(x).ty.width().unwrap_or(0);
    let w = g.param(format!("{at}.weight"), &[out, width]);
    let b = g.param(format!("{at}.bias"), &[out]);
    let y = g.named(&format!("{name}/product"), ops::MatMul::linear(), &[x, w])?;
    add(g, name, y, b)
}

/// Layer normalisation with `at.weight` and `at.bias`.
pub fn layer_norm(
    g: &mut Builder,
    name: &str,
    at: &str,
    x: NodeId,
    eps: f64,
) -> Result<NodeId, Error> {
    let width = g.node(x).ty.width().unwrap_or(0);
    let w = g.param(format!("{at}.weight"), &[width]);
    let b = g.param(format!("{at}.bias"), &[width]);
    g.named(name, ops::LayerNorm { eps, residual: false }, &[x, w, b])
}
