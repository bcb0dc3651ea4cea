//! Softmax attention within rows, with and without distance penalties.

use m2_ir::ops::Attention;

use super::check::check;

#[test]
fn heads_of_odd_width() {
    for alibi in [false, true] {
        check("attention", |c| {
            let heads = c.random.within(1, 5);
            let width = heads * c.random.within(1, 9);
            let [q, k, v] = ["q", "k", "v"].map(|name| c.tokens(name, width));
            let y = c.g.named("y", Attention { heads, alibi }, &[q, k, v]).unwrap();
            c.output(y);
        });
    }
}
