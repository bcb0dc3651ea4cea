//! The attention blocks of the Transformer baselines (m2-bert.md 12), residual and norm included.

use m2_ir::{Builder, Error, NodeId, ops};

use super::{add, layer_norm, linear};
use crate::ModelConfig;

/// BERT's: separate projections, no position bias. Shape (T, H), named `mixer_out`.
///
/// # Errors
/// When the configuration's sizes do not fit together.
pub fn bert_attention(
    g: &mut Builder,
    c: &ModelConfig,
    at: &str,
    x: NodeId,
) -> Result<NodeId, Error> {
    let mut project = |what: &str| linear(g, what, &format!("{at}.self.{what}"), x, c.hidden_size);
    let qkv = [project("query")?, project("key")?, project("value")?];
    block(g, c, at, x, &qkv, false)
}

/// ALiBi BERT's: one packed projection, distance penalties. Shape (T, H), named `mixer_out`.
///
/// # Errors
/// When the configuration's sizes do not fit together.
pub fn alibi_attention(
    g: &mut Builder,
    c: &ModelConfig,
    at: &str,
    x: NodeId,
) -> Result<NodeId, Error> {
    let h = c.hidden_size;
    let qkv = linear(g, "qkv", &format!("{at}.self.Wqkv"), x, 3 * h)?;
    let mut part =
        |i: usize, name: &str| g.named(name, ops::Slice { axis: 1, start: i * h, len: h }, &[qkv]);
    let qkv = [part(0, "query")?, part(1, "key")?, part(2, "value")?];
    block(g, c, at, x, &qkv, true)
}

fn block(
    g: &mut Builder,
    c: &ModelConfig,
    at: &str,
    x: NodeId,
    qkv: &[NodeId],
    alibi: bool,
) -> Result<NodeId, Error> {
    let heads = c.num_attention_heads;
    let y = g.named("attention", ops::Attention { heads, alibi }, qkv)?;
    let y = linear(g, "attention_out", &format!("{at}.output.dense"), y, c.hidden_size)?;
    let y = add(g, "attention_sum", y, x)?;
    layer_norm(g, "mixer_out", &format!("{at}.output.LayerNorm"), y, c.layer_norm_eps)
}
