//! BERT with ALiBi attention, the Transformer baseline of HazyResearch/m2 (m2-bert.md 12).

use m2_ir::{Builder, Error, NodeId};

use crate::{ModelConfig, blocks};

/// One layer: attention with residual and norm, then the MLP of M2-BERT in its dense form.
pub(super) fn layer(
    g: &mut Builder,
    c: &ModelConfig,
    at: &str,
    x: NodeId,
) -> Result<NodeId, Error> {
    let a = blocks::alibi_attention(g, c, &format!("{at}.attention"), x)?;
    blocks::monarch_mlp(g, c, &format!("{at}.mlp"), a)
}
