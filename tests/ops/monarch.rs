//! Order-2 Monarch products, square and rectangular.

use m2_ir::ops::Monarch;

use super::check::check;

#[test]
fn rectangular_factors() {
    for permute_input in [false, true] {
        check("monarch", |c| {
            let (k, p, s) = (c.random.within(1, 6), c.random.within(1, 7), c.random.within(1, 7));
            // l·r = k·q with l a divisor that is not a factor of q alone.
            let (l, m) = (c.random.within(1, 5), c.random.within(1, 4));
            let (q, r) = (l * m, k * m);
            let x = c.tokens("x", k * p);
            let w1 = c.weight("w1", &[k, q, p], 1.0);
            let w2 = c.weight("w2", &[l, s, r], 1.0);
            let y = c.g.named("y", Monarch { permute_input }, &[x, w1, w2]).unwrap();
            c.output(y);
        });
    }
}
