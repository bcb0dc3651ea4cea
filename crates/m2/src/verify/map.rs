//! Which of our values a golden tensor is, and how its elements lie.

use m2_ir::{HostTensor, RowTable};
use m2_nn::{ModelConfig, models::outputs};

/// The value behind a golden tensor.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Name of our node.
    pub node: String,
    /// How the golden tensor's elements lie.
    pub arrange: Arrange,
}

/// How a golden tensor's elements lie, and ours are laid beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrange {
    /// (T, W) as (B, S, W), or as (tokens, W) of the valid tokens.
    Tokens,
    /// As `Tokens`; where the reference drops padding, its positions hold the logits of zeros.
    Logits,
    /// (T, W) as (B, W, S'): the first S columns count, also where S' > S.
    Channels,
    /// (L, H) as (H, S).
    Kernel,
    /// (R, W) as it is.
    Rows,
    /// (T, heads, L) as (B, heads, S, S).
    Probs,
}

/// Losses belong to training.
pub(super) fn is_loss(name: &str) -> bool {
    name.contains("loss")
}

/// Kernels of implicit filters have a limit of their own.
pub(super) fn is_kernel(name: &str) -> bool {
    matches!(name.rsplit('.').next(), Some("k" | "k_rev" | "k2" | "k2_rev"))
}

/// Values a user asks for: the fused plan is tested on them.
pub(super) fn is_model_output(name: &str, layers: usize) -> bool {
    name == format!("layer.{}.hidden", layers.wrapping_sub(1))
        || name == format!("hidden_states.{layers}")
        || ["mlm_logits", "pooled_", "embedding_normalised_", "seqcls_logits_"]
            .iter()
            .any(|p| name.starts_with(p))
}

/// The value behind a golden tensor; None for a name that no model has.
pub(super) fn source(name: &str, c: &ModelConfig) -> Option<Source> {
    let at = |node: String, arrange| Some(Source { node, arrange });
    let hidden = |i: usize| match i {
        0 => outputs::EMBEDDINGS.to_string(),
        i => format!("layer.{}.hidden", i - 1),
    };
    let (head, rest) = name.split_once('.').unwrap_or((name, ""));
    match head {
        "embeddings" => at(hidden(0), Arrange::Tokens),
        "hidden_states" => {
            let i = rest.parse().ok().filter(|&i| i <= c.num_hidden_layers)?;
            at(hidden(i), Arrange::Tokens)
        }
        "attention_probs" => {
            rest.parse::<usize>().ok().filter(|&i| i < c.num_hidden_layers)?;
            at(format!("layer.{rest}.attention/probs"), Arrange::Probs)
        }
        "mlm_logits" => at(outputs::LOGITS.into(), Arrange::Logits),
        "pooled_cls" | "pooled_mean" | "seqcls_logits_cls" | "seqcls_logits_mean" => {
            at(name.into(), Arrange::Rows)
        }
        "embedding_normalised_cls" => at(outputs::normalised(outputs::POOLED_CLS), Arrange::Rows),
        "embedding_normalised_mean" => at(outputs::normalised(outputs::POOLED_MEAN), Arrange::Rows),
        "layer" => {
            let (i, part) = rest.split_once('.')?;
            let layer: usize = i.parse().ok().filter(|&i| i < c.num_hidden_layers)?;
            let mixer = |what: &str| format!("layer.{i}.mixer{what}");
            match part {
                "hidden" | "mixer_out" | "in_linear_out" | "mlp_up_out" | "mlp_wo_out" => {
                    at(name.into(), Arrange::Tokens)
                }
                "k" | "k_rev" | "k2" | "k2_rev" => at(name.into(), Arrange::Kernel),
                "out_linear_in" => at(mixer(""), Arrange::Tokens),
                "short_filter_full" => at(mixer("/short"), Arrange::Channels),
                "longconv_in" => at(mixer("/pre_gate"), Arrange::Channels),
                "longconv_out" => at(mixer("/conv1"), Arrange::Channels),
                "longconv2_out" => at(mixer("/conv2"), Arrange::Channels),
                "longconv2_in" if c.mixer.training_additions => {
                    at(format!("layer.{i}.mixer_norm"), Arrange::Channels)
                }
                "longconv2_in" => at(hidden(layer), Arrange::Channels),
                _ => None,
            }
        }
        _ => None,
    }
}

impl Arrange {
    /// Pairs of (index in the golden tensor, our value); None when the shapes do not fit.
    pub(super) fn apply(
        self,
        ours: &HostTensor,
        rows: &RowTable,
        golden: &[usize],
        blank: Option<&[f64]>,
    ) -> Option<Vec<(usize, f64)>> {
        let v = ours.to_f64();
        let w = ours.shape().get(1).copied().unwrap_or(0);
        let rows = rows.rows();
        let mut out = Vec::new();
        match (self, golden) {
            (Arrange::Rows, _) => {
                (golden == ours.shape()).then(|| v.into_iter().enumerate().collect())
            }
            (Arrange::Tokens | Arrange::Logits, &[b, s, width])
                if b == rows.len() && width == w =>
            {
                for (i, row) in rows.iter().enumerate() {
                    for t in 0..s.min(row.length as usize) {
                        let to = (i * s + t) * w;
                        let from = (row.offset as usize + t) * w;
                        let ours = match blank {
                            Some(b) if t >= row.valid as usize => b,
                            _ => &v[from..from + w],
                        };
                        out.extend(ours.iter().enumerate().map(|(j, &v)| (to + j, v)));
                    }
                }
                Some(out)
            }
            (Arrange::Tokens, &[tokens, width]) if width == w => {
                let all = rows.iter().flat_map(|r| r.offset..r.offset + r.valid);
                for (i, t) in all.enumerate() {
                    out.extend((0..w).map(|j| (i * w + j, v[t as usize * w + j])));
                }
                (out.len() == tokens * w).then_some(out)
            }
            (Arrange::Channels, &[b, width, columns]) if b == rows.len() && width == w => {
                for (i, row) in rows.iter().enumerate() {
                    for t in 0..(row.length as usize).min(columns) {
                        let from = (row.offset as usize + t) * w;
                        out.extend((0..w).map(|j| ((i * w + j) * columns + t, v[from + j])));
                    }
                }
                Some(out)
            }
            (Arrange::Kernel, &[h, s]) if h == w && s <= ours.shape()[0] => {
                Some((0..h * s).map(|i| (i, v[i % s * h + i / s])).collect())
            }
            (Arrange::Probs, &[b, heads, s, keys])
                if b == rows.len() && heads == w && s == keys =>
            {
                let l = *ours.shape().get(2)?;
                for (i, row) in rows.iter().enumerate() {
                    for (t, head) in (0..s).flat_map(|t| (0..heads).map(move |h| (t, h))) {
                        let to = ((i * heads + head) * s + t) * s;
                        let from = ((row.offset as usize + t) * heads + head) * l;
                        let valid = row.valid as usize;
                        let key = |j: usize| if j < valid { v[from + j] } else { 0.0 };
                        out.extend((0..s).map(|j| (to + j, key(j))));
                    }
                }
                Some(out)
            }
            _ => None,
        }
    }
}
