// What every kernel sees: the sizes of the batch that runs, and the folded grid.
//
// A tensor with a symbolic leading axis, (T, H) say, lies as (H, LD): the tokens of a channel are
// contiguous, LD is the class of T. Everything that a plan fixes is an override constant.

struct Sizes {
    tokens: u32,    // T, gaps between rows included
    rows: u32,      // R
    asked: u32,     // Q
    span: u32,      // L, the class of the longest row
    longest: u32,   // tokens of the longest row
    neg_inf: f32,   // minus infinity, which WGSL cannot write as a constant
    first_channel: u32, // first channel and first row of a dispatch that does a part of them
    first_row: u32,
}

struct Row {
    offset: u32,    // first token
    length: u32,    // tokens that are computed
    valid: u32,     // tokens that are text
}

@group(0) @binding(0) var<uniform> sizes: Sizes;

// Grids are folded into two dimensions, since one holds at most 65535 workgroups.
fn unit(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.x + group.y * groups.x;
}

// The run-time value of a leading axis: tokens, rows, asked, span.
fn lead(axis: u32) -> u32 {
    switch axis {
        case 0u: { return sizes.tokens; }
        case 1u: { return sizes.rows; }
        case 2u: { return sizes.asked; }
        default: { return sizes.span; }
    }
}
