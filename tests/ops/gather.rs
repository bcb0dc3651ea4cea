//! Table look-up.

use m2_ir::ops::Gather;

use super::check::check;

#[test]
fn rows_of_a_table() {
    check("gather", |c| {
        let (entries, width) = (c.random.within(1, 50), c.random.within(1, 19));
        let table = c.weight("table", &[entries, width], 1.0);
        let ids = c.ids("ids", entries);
        let y = c.g.named("y", Gather, &[table, ids]).unwrap();
        c.output(y);
    });
}
