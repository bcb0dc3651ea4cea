//! Scores, softmax and weighted sum as separate ops: what attention decomposes into.

use m2_ir::ops::{AttentionScores, Softmax};

use super::check::check;

#[test]
fn scores_and_probabilities() {
    for alibi in [false, true] {
        check("attention_scores", |c| {
            let heads = c.random.within(1, 4);
            let width = heads * c.random.within(1, 7);
            let (q, k) = (c.tokens("q", width), c.tokens("k", width));
            let s = c.g.named("s", AttentionScores { heads, alibi }, &[q, k]).unwrap();
            let p = c.g.named("p", Softmax, &[s]).unwrap();
            c.output(s);
            c.output(p);
        });
    }
}
