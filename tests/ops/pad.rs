//! Zeros after the innermost axis.

use m2_ir::ops::Pad;

use super::check::check;

#[test]
fn any_width() {
    check("pad", |c| {
        let width = c.random.within(1, 19);
        let x = c.tokens("x", width);
        let y = c.g.named("y", Pad { after: c.random.within(0, 9) }, &[x]).unwrap();
        c.output(y);
    });
}
