// y = epilogue(sum of the slices of a product), always added in the same order.
//
// parts (PARTS, HEIGHT, LD), row Q block + row, as the kernels of the family store slices; the
// rest by `store`. Grid: columns / 32 by rows / 8.

override PARTS: u32 = 2u;
override HEIGHT: u32 = 64u;     // rows of all blocks of the product

@group(0) @binding(1) var<storage, read> parts: array<vec4<f32>>;

fn total(row: u32, t: u32) -> vec4<f32> {
    var at = row * (LD / 4u) + t;
    var sum = vec4<f32>(0.0);
    for (var i = 0u; i < PARTS; i += 1u) {
        sum += parts[at];
        at += HEIGHT * (LD / 4u);
    }
    return sum;
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let strips = (columns() + 31u) / 32u;
    let g = unit(group, groups);
    let t = g % strips * 8u + local.x;
    let n = g / strips * 8u + local.y;
    if t * 4u >= columns() || n >= NB * ROWS {
        return;
    }
    let block = n / ROWS;
    let row = n % ROWS;
    let tile = Tile(block, row, block + GB, row + GR, 0u, 0u, 0u);
    let first = total(block * Q + row, t);
    if GLU {
        store_gated(tile, 0u, t, first, total(tile.other * Q + tile.partner, t));
    } else {
        store_row(tile, row, t, first);
    }
}
