// out[r] = mean of the valid tokens of row r.
//
// x (H, LDX), out (H, LD). Grid: rows / 8 by H / 8.

override H: u32 = 64u;
override LDX: u32 = 64u;
override LD: u32 = 64u;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> rows: array<Row>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let columns = (sizes.rows + 7u) / 8u;
    let g = unit(group, groups);
    let r = (g % columns) * 8u + local.x;
    let h = (g / columns) * 8u + local.y;
    if r >= sizes.rows || h >= H {
        return;
    }
    let row = rows[r];
    let base = h * LDX + row.offset;
    // Four partial sums: the rounding of a long row grows with a quarter of its length.
    var sum = vec4<f32>(0.0);
    var i = 0u;
    for (; i + 4u <= row.valid; i += 4u) {
        sum += vec4<f32>(x[base + i], x[base + i + 1u], x[base + i + 2u], x[base + i + 3u]);
    }
    for (; i < row.valid; i += 1u) {
        sum.x += x[base + i];
    }
    out[h * LD + r] = (sum.x + sum.y + sum.z + sum.w) / f32(max(row.valid, 1u));
}
