//! The MLPs: M2-BERT's (gated or plain, block-diagonal or dense) and BERT's.

use m2_ir::{Binary, Builder, Error, Expr, NodeId, Unary, ops};

use super::{add, layer_norm, linear, unary};
use crate::ModelConfig;

/// `LN(wo(gelu(up)·up') + bias + a)` (m2-bert.md 4), shape (T, H), named `hidden`.
///
/// # Errors
/// When the configuration's sizes do not fit together.
pub fn monarch_mlp(g: &mut Builder, c: &ModelConfig, at: &str, a: NodeId) -> Result<NodeId, Error> {
    let (h, i) = (c.hidden_size, c.intermediate_size);
    let up = if c.mlp.glu { 2 * i } else { i };
    let product = |g: &mut Builder, name: &str, tensor: &str, x, out: usize, inputs: usize| {
        let tensor = format!("{at}.{tensor}.weight");
        match c.mlp.blocks {
            Some(nb) => {
                let w = g.param(tensor, &[nb, out / nb, inputs / nb]);
                g.named(name, ops::BlockDiagMatMul::default(), &[x, w])
            }
            None => {
                let w = g.param(tensor, &[out, inputs]);
                g.named(name, ops::MatMul::linear(), &[x, w])
            }
        }
    };
    let y = product(g, "mlp_up_out", "gated_layers", a, up, h)?;
    let r = if c.mlp.glu { gate(g, y, i)? } else { unary(g, "mlp_gelu", Unary::Gelu, y)? };
    let y = product(g, "mlp_wo", "wo", r, h, i)?;
    let bias = g.param(format!("{at}.wo.bias"), &[h]);
    let y = add(g, "mlp_wo_out", y, bias)?;
    let y = add(g, "mlp_sum", y, a)?;
    layer_norm(g, "hidden", &format!("{at}.layernorm"), y, c.layer_norm_eps)
}

/// `gelu(y[.., :i]) · y[.., i:]`
fn gate(g: &mut Builder, y: NodeId, i: usize) -> Result<NodeId, Error> {
    let first = g.named("mlp_gate", ops::Slice { axis: 1, start: 0, len: i }, &[y])?;
    let second = g.named("mlp_linear", ops::Slice { axis: 1, start: i, len: i }, &[y])?;
    let gelu = Expr::input(0).unary(Unary::Gelu).binary(Binary::Mul, &Expr::input(1));
    g.named("mlp_gated", ops::Elementwise::new(gelu), &[first, second])
}

/// `LN(output(gelu(intermediate(a))) + a)`, shape (T, H), named `hidden`.
///
/// # Errors
/// When the configuration's sizes do not fit together.
pub fn bert_mlp(g: &mut Builder, c: &ModelConfig, at: &str, a: NodeId) -> Result<NodeId, Error> {
    let y = linear(g, "mlp_up_out", &format!("{at}.intermediate.dense"), a, c.intermediate_size)?;
    let y = unary(g, "mlp_gelu", Unary::Gelu, y)?;
    let y = linear(g, "mlp_wo_out", &format!("{at}.output.dense"), y, c.hidden_size)?;
    let y = add(g, "mlp_sum", y, a)?;
    layer_norm(g, "hidden", &format!("{at}.output.LayerNorm"), y, c.layer_norm_eps)
}
