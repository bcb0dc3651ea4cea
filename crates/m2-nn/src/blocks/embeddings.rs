//! Word, position and type embeddings (m2-bert.md 2).

use m2_ir::{Builder, DType, Dim, Error, IDS, NodeId, POSITIONS, TOKEN_TYPES, ops};

use super::{add, layer_norm};
use crate::ModelConfig;

/// `LN(Word[ids] + Type[token_types] (+ Pos[positions]))`, shape (T, H), named `embeddings`.
///
/// # Errors
/// When the configuration's sizes do not fit together.
pub fn embeddings(g: &mut Builder, c: &ModelConfig) -> Result<NodeId, Error> {
    let at = "bert.embeddings";
    let mut look_up = |input: &str, table: &str, entries: usize| {
        let table = g.param(format!("{at}.{table}.weight"), &[entries, c.hidden_size]);
        let ids = g.input(input, [Dim::Tokens], DType::U32);
        g.named(&format!("embeddings/{input}"), ops::Gather, &[table, ids])
    };
    let words = look_up(IDS, "word_embeddings", c.vocab_size)?;
    let types = look_up(TOKEN_TYPES, "token_type_embeddings", c.type_vocab_size)?;
    let positions = c
        .use_positional_encodings
        .then(|| look_up(POSITIONS, "position_embeddings", c.max_position_embeddings))
        .transpose()?;
    let mut sum = add(g, "embeddings/sum", words, types)?;
    if let Some(p) = positions {
        sum = add(g, "embeddings/sum", sum, p)?;
    }
    layer_norm(g, "embeddings", &format!("{at}.LayerNorm"), sum, c.layer_norm_eps)
}
