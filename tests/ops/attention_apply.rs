//! Values weighted by probabilities.

use m2_ir::ops::{AttentionApply, AttentionScores, Softmax};

use super::check::check;

#[test]
fn weighted_sums() {
    check("attention_apply", |c| {
        let heads = c.random.within(1, 4);
        let width = heads * c.random.within(1, 7);
        let (q, v) = (c.tokens("q", width), c.tokens("v", width));
        let s = c.g.named("s", AttentionScores { heads, alibi: false }, &[q, q]).unwrap();
        let p = c.g.named("p", Softmax, &[s]).unwrap();
        let y = c.g.named("y", AttentionApply, &[p, v]).unwrap();
        c.output(y);
    });
}
