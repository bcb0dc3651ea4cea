//! Heads (m2-bert.md 6).

use m2_ir::{Binary, Builder, Error, Expr, NodeId, Unary, ops};

use super::{add, layer_norm, linear, unary};
use crate::{Architecture, ModelConfig};

/// Masked-language-model logits of each row of x (.., H): (.., V), under the given name.
///
/// # Errors
/// When the configuration's sizes do not fit together.
pub fn mlm_head(g: &mut Builder, c: &ModelConfig, name: &str, x: NodeId) -> Result<NodeId, Error> {
    let (h, v) = (c.hidden_size, c.vocab_size);
    let at = "cls.predictions";
    let y = linear(g, &format!("{name}/transform"), &format!("{at}.transform.dense"), x, h)?;
    let y = unary(g, &format!("{name}/gelu"), Unary::Gelu, y)?;
    let norm = format!("{at}.transform.LayerNorm");
    let y = layer_norm(g, &format!("{name}/norm"), &norm, y, c.layer_norm_eps)?;
    let words = g.param("bert.embeddings.word_embeddings.weight", &[v, h]);
    let bias = match c.architecture {
        Architecture::Bert => format!("{at}.bias"),
        Architecture::M2Bert | Architecture::AlibiBert => format!("{at}.decoder.bias"),
    };
    let bias = g.param(bias, &[v]);
    let y = g.named(&format!("{name}/product"), ops::MatMul::linear(), &[y, words])?;
    add(g, name, y, bias)
}

/// `tanh(W·s + b)` of one vector a row, (R, H), under the given name.
///
/// # Errors
/// When the configuration's sizes do not fit together.
pub fn pooler(g: &mut Builder, c: &ModelConfig, name: &str, s: NodeId) -> Result<NodeId, Error> {
    let y = linear(g, &format!("{name}/dense"), "bert.pooler.dense", s, c.hidden_size)?;
    unary(g, name, Unary::Tanh, y)
}

/// The vector that [`pooler`] takes where the configuration asks for `attention_pooling`: two
/// rounds of attention over the row's hidden states x (T, H), of which the first token is kept,
/// (R, H), under the given name.
///
/// # Errors
/// When the configuration's sizes do not fit together.
pub fn attention_pooling(
    g: &mut Builder,
    c: &ModelConfig,
    name: &str,
    mut x: NodeId,
) -> Result<NodeId, Error> {
    let (h, at) = (c.hidden_size, "bert.pooler");
    for (round, up, down) in [(1, "dense1", "dense2"), (2, "dense3", "dense4")] {
        let part = |what: &str| format!("{name}/round{round}/{what}");
        let qkv = linear(g, &part("qkv"), &format!("{at}.Wqkv"), x, 3 * h)?;
        let mut take = |i: usize, what: &str| {
            g.named(&part(what), ops::Slice { axis: 1, start: i * h, len: h }, &[qkv])
        };
        let (q, k, v) = (take(0, "query")?, take(1, "key")?, take(2, "value")?);
        let y = g.named(&part("attention"), ops::QueryAttention, &[q, k, v])?;
        let y = linear(g, &part("up"), &format!("{at}.{up}"), y, c.intermediate_size)?;
        let y = unary(g, &part("gelu"), Unary::Gelu, y)?;
        x = linear(g, &part("down"), &format!("{at}.{down}"), y, h)?;
    }
    g.named(name, ops::GatherRows { which: ops::Which::First }, &[x])
}

/// Class logits (R, labels) of pooled vectors, under the given name.
///
/// # Errors
/// When the configuration's sizes do not fit together.
pub fn classifier(
    g: &mut Builder,
    c: &ModelConfig,
    name: &str,
    pooled: NodeId,
) -> Result<NodeId, Error> {
    linear(g, name, "classifier", pooled, c.num_labels)
}

/// `x / max(‖x‖, 1e-12)` row by row, under the given name.
///
/// # Errors
/// When x has no fixed width.
pub fn normalised(g: &mut Builder, name: &str, x: NodeId) -> Result<NodeId, Error> {
    let squares = ops::Reduce { kind: ops::ReduceKind::SumSquares };
    let s = g.named(&format!("{name}/squares"), squares, &[x])?;
    let norm = Expr::input(1).unary(Unary::Sqrt).binary(Binary::Max, &Expr::constant(1e-12));
    g.named(name, ops::Elementwise::new(Expr::input(0).binary(Binary::Div, &norm)), &[x, s])
}
