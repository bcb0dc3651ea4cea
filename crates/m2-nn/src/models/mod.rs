//! Models: each is a function that adds an encoder to a graph.
//!
//! [`graph`] builds a whole model with every value named; callers choose outputs by name
//! ([`outputs`]) and what they do not need is dropped.

mod alibi_bert;
mod bert;
mod m2_bert;

use m2_ir::{Builder, DType, Dim, Error, Graph, NodeId, ops};

use crate::{Architecture, Heads, ModelConfig, blocks};

/// Names of a model's values.
pub mod outputs {
    /// Embedding output (T, H).
    pub const EMBEDDINGS: &str = "embeddings";
    /// The encoder's last hidden state (T, H).
    pub const HIDDEN: &str = "encoder";
    /// The first token's hidden state of each row (R, H).
    pub const FIRST: &str = "first";
    /// Mean over each row's valid hidden states (R, H).
    pub const MEAN: &str = "mean";
    /// Pooler on the first token (R, H).
    pub const POOLED_CLS: &str = "pooled_cls";
    /// Pooler on the mean (R, H).
    pub const POOLED_MEAN: &str = "pooled_mean";
    /// MLM logits of all tokens (T, V).
    pub const LOGITS: &str = "mlm_logits";
    /// MLM logits of the asked positions (Q, V).
    pub const ASKED_LOGITS: &str = "asked_logits";
    /// Class logits by the first token (R, labels).
    pub const CLASSES_CLS: &str = "seqcls_logits_cls";
    /// Class logits by the mean (R, labels).
    pub const CLASSES_MEAN: &str = "seqcls_logits_mean";

    /// The name of a vector output divided by its L2 norm.
    pub fn normalised(name: &str) -> String {
        format!("{name}/normalised")
    }
}

/// The whole model with all values named; layer i's are called `layer.i.…`.
///
/// # Errors
/// When the configuration's sizes do not fit together.
pub fn graph(c: &ModelConfig, heads: Heads) -> Result<Graph, Error> {
    let mut g = Builder::new();
    let mut x = blocks::embeddings(&mut g, c)?;
    for i in 0..c.num_hidden_layers {
        x = g.scope(format!("layer.{i}"), |g| layer(g, c, i, x))?;
    }
    // The last layer's own name stays; the encoder's is a view of it.
    let shape = g.node(x).ty.shape.clone();
    let x = g.named(outputs::HIDDEN, ops::Reshape { shape }, &[x])?;
    add_heads(&mut g, c, heads, x)?;
    Ok(g.finish())
}

/// Layer i alone: input `hidden` (T, H), values named `layer.i.…`.
///
/// # Errors
/// When the configuration's sizes do not fit together.
pub fn layer_graph(c: &ModelConfig, i: usize) -> Result<Graph, Error> {
    let mut g = Builder::new();
    let x = g.input("hidden", [Dim::Tokens, Dim::Fixed(c.hidden_size)], DType::F32);
    g.scope(format!("layer.{i}"), |g| layer(g, c, i, x))?;
    Ok(g.finish())
}

fn layer(g: &mut Builder, c: &ModelConfig, i: usize, x: NodeId) -> Result<NodeId, Error> {
    let at = format!("bert.encoder.layer.{i}");
    match c.architecture {
        Architecture::M2Bert => m2_bert::layer(g, c, &at, x),
        Architecture::AlibiBert => alibi_bert::layer(g, c, &at, x),
        Architecture::Bert => bert::layer(g, c, &at, x),
    }
}

fn add_heads(g: &mut Builder, c: &ModelConfig, heads: Heads, x: NodeId) -> Result<(), Error> {
    let first = g.named(outputs::FIRST, ops::GatherRows { which: ops::Which::First }, &[x])?;
    let mean = g.named(outputs::MEAN, ops::PoolRows, &[x])?;
    for (name, pooled) in [(outputs::FIRST, first), (outputs::MEAN, mean)] {
        blocks::normalised(g, &outputs::normalised(name), pooled)?;
    }
    if heads.mlm {
        blocks::mlm_head(g, c, outputs::LOGITS, x)?;
        let asked = g.named("asked", ops::GatherRows { which: ops::Which::Asked }, &[x])?;
        blocks::mlm_head(g, c, outputs::ASKED_LOGITS, asked)?;
    }
    for (s, pooled, classes) in [
        (first, outputs::POOLED_CLS, outputs::CLASSES_CLS),
        (mean, outputs::POOLED_MEAN, outputs::CLASSES_MEAN),
    ] {
        let mut vector = s;
        if heads.pooler {
            let attended = c.pooling.attention_pooling && s == first;
            let s = if attended {
                blocks::attention_pooling(g, c, &format!("{pooled}/attended"), x)?
            } else {
                s
            };
            vector = blocks::pooler(g, c, pooled, s)?;
            blocks::normalised(g, &outputs::normalised(pooled), vector)?;
        }
        if heads.classifier {
            let raw = c.pooling.use_cls_token && s == first;
            blocks::classifier(g, c, classes, if raw { s } else { vector })?;
        }
    }
    Ok(())
}
