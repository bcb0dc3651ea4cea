//! Kernels made by a sine network.

use super::check::check_to;

#[test]
fn any_number_of_positions() {
    // The sine's argument carries the rounding of its layer, hence the wider bound.
    check_to("implicit_filter", 1e-5, |c| {
        let width = c.random.within(1, 23);
        // Fewer positions than the span: the rest of the kernel is zero.
        let positions = c.random.within(2, 90);
        let k = c.filter("k", width, positions);
        c.output(k);
    });
}
