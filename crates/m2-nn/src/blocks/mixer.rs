//! The Monarch Mixer sequence mixer (m2-bert.md 3).

use m2_ir::{Builder, Error, NodeId, ops};

use super::{layer_norm, linear};
use crate::ModelConfig;

/// Taps of the short filter.
const TAPS: usize = 3;

/// u → `out_linear(mix(in_linear(u), u))`, shape (T, H), named `mixer_out`.
///
/// # Errors
/// When the configuration's sizes do not fit together.
pub fn mixer(g: &mut Builder, c: &ModelConfig, at: &str, u: NodeId) -> Result<NodeId, Error> {
    let h = c.hidden_size;
    let u = match c.mixer.training_additions {
        // This one norm has its own epsilon, whatever the configuration says.
        true => layer_norm(g, "mixer_norm", &format!("{at}.layernorm"), u, 1e-5)?,
        false => u,
    };
    let p = linear(g, "in_linear_out", &format!("{at}.in_linear"), u, 3 * h)?;
    let w = g.param(format!("{at}.short_filter.weight"), &[3 * h, 1, TAPS]);
    let b = g.param(format!("{at}.short_filter.bias"), &[3 * h]);
    let mut kernels = filter(g, c, &format!("{at}.filter_fn"), "k")?;
    let residual = c.mixer.residual_long_conv;
    if residual {
        kernels.extend(filter(g, c, &format!("{at}.filter_fn2"), "k2")?);
    }
    let reverse = c.mixer.bidirectional.then_some(ops::ReverseLag::Next);
    let spectrum = g.named("spectrum", ops::ConvSpectrum { reverse, pair: residual }, &kernels)?;
    let mut operands = vec![p, w, b, spectrum];
    operands.extend(residual.then_some(u));
    let y = g.named("mixer", ops::SequenceMixer { taps: TAPS, residual }, &operands)?;
    linear(g, "mixer_out", &format!("{at}.out_linear"), y, h)
}

/// The implicit kernels of one long convolution and its D: `name` and, if the model is
/// bidirectional, `name_rev`, each (L, H), then D (H) (m2-bert.md 3.3).
///
/// # Errors
/// When the configuration's sizes do not fit together.
pub fn filter(
    g: &mut Builder,
    c: &ModelConfig,
    at: &str,
    name: &str,
) -> Result<Vec<NodeId>, Error> {
    let (h, n) = (c.hidden_size, c.max_position_embeddings);
    let (o, e) = (c.mixer.filter_order, c.mixer.emb_dim);
    let z = g.param(format!("{at}.pos_emb.z"), &[1, n, e]);
    let t = g.param(format!("{at}.pos_emb.t"), &[1, n, 1]);
    let deltas = g.param(format!("{at}.modulation.deltas"), &[1, 1, h]);
    // One frequency tensor serves all sines of both directions.
    let freq = g.param(format!("{at}.implicit_filter.1.freq"), &[1, o]);
    let mut kernel = |mlp: &str, name: &str| {
        let mut operands = vec![z, t, deltas, freq];
        for (layer, inputs) in [(0, e), (2, o), (4, o)] {
            operands.push(g.param(format!("{at}.{mlp}.{layer}.weight"), &[o, inputs]));
            operands.push(g.param(format!("{at}.{mlp}.{layer}.bias"), &[o]));
        }
        operands.push(g.param(format!("{at}.{mlp}.6.weight"), &[h, o]));
        g.named(name, ops::ImplicitFilter { w_mod: c.mixer.w_mod }, &operands)
    };
    let mut out = vec![kernel("implicit_filter", name)?];
    if c.mixer.bidirectional {
        out.push(kernel("implicit_filter_rev", &format!("{name}_rev"))?);
    }
    out.push(g.param(format!("{at}.bias"), &[h]));
    Ok(out)
}
