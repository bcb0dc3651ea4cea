//! Values side by side.

use m2_ir::ops::Concat;

use super::check::check;

#[test]
fn along_the_width() {
    check("concat", |c| {
        let parts: Vec<_> = (0..c.random.within(1, 4))
            .map(|i| {
                let width = c.random.within(1, 9);
                c.tokens(&format!("x{i}"), width)
            })
            .collect();
        let y = c.g.named("y", Concat { axis: 1 }, &parts).unwrap();
        c.output(y);
    });
}
