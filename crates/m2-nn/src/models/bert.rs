//! BERT (Devlin et al., 2018) as Hugging Face transformers writes it, also all-MiniLM-L6-v2.

use m2_ir::{Builder, Error, NodeId};

use crate::{ModelConfig, blocks};

/// One post-norm layer.
pub(super) fn layer(
    g: &mut Builder,
    c: &ModelConfig,
    at: &str,
    x: NodeId,
) -> Result<NodeId, Error> {
    let a = blocks::bert_attention(g, c, &format!("{at}.attention"), x)?;
    blocks::bert_mlp(g, c, at, a)
}
