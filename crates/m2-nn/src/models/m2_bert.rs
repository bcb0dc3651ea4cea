//! M2-BERT: "Monarch Mixer: A Simple Sub-Quadratic GEMM-Based Architecture" (Fu et al., 2023),
//! HazyResearch/m2, folder `bert`. No skip connection around the mixer, post-norm around the MLP.

use m2_ir::{Builder, Error, NodeId};

use crate::{ModelConfig, blocks};

/// One layer, `x = LN(MLP(a) + a)` with `a = mixer(x)` (m2-bert.md 1).
pub(super) fn layer(
    g: &mut Builder,
    c: &ModelConfig,
    at: &str,
    x: NodeId,
) -> Result<NodeId, Error> {
    let a = blocks::mixer(g, c, &format!("{at}.attention"), x)?;
    blocks::monarch_mlp(g, c, &format!("{at}.mlp"), a)
}
