//! Attention normalised over the queries.

use m2_ir::ops::QueryAttention;

use super::check::check;

#[test]
fn padded_queries_score_zero() {
    check("query_attention", |c| {
        let width = c.random.within(1, 17);
        let [q, k, v] = ["q", "k", "v"].map(|name| c.tokens(name, width));
        let y = c.g.named("y", QueryAttention, &[q, k, v]).unwrap();
        c.output(y);
    });
}
