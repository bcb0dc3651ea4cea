//! Means over valid tokens.

use m2_ir::ops::PoolRows;

use super::check::check;

#[test]
fn stops_at_the_last_valid_token() {
    check("pool_rows", |c| {
        let width = c.random.within(1, 19);
        let x = c.tokens("x", width);
        let y = c.g.named("y", PoolRows, &[x]).unwrap();
        c.output(y);
    });
}
