// out[t, head] = sum over j of p[t, head, j] v[offset + j, head] over the keys of t's row.
// Only the decomposed plan stores probabilities.
//
// p (HEADS SPAN, LD), v, out (HEADS D, LD). Grid: longest row / THREADS by rows x HEADS x D.

override HEADS: u32 = 1u;
override D: u32 = 16u;
override SPAN: u32 = 64u;
override LD: u32 = 64u;
override THREADS: u32 = 64u;

@group(0) @binding(1) var<storage, read> p: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read> rows: array<Row>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let columns = (sizes.longest + THREADS - 1u) / THREADS;
    let g = unit(group, groups);
    let n = (g % columns) * THREADS + local.x;
    let channel = g / columns / sizes.rows;
    if channel >= HEADS * D {
        return;
    }
    let row = rows[g / columns % sizes.rows];
    if n >= (row.length + 3u) / 4u * 4u {
        return;
    }
    let t = row.offset + n;
    var sum = 0.0;
    if n < row.length {
        for (var j = 0u; j < row.length; j += 1u) {
            sum += p[(channel / D * SPAN + j) * LD + t] * v[channel * LD + row.offset + j];
        }
    }
    out[channel * LD + t] = sum;
}
