// p[j, i] = exp(s_ij) / sum over i' of exp(s_i'j), s_ij = q_i k_j / sqrt H, 0 where i is padding:
// attention normalised over the queries of a row.
//
// An invocation owns one key. q, k (H, LD), p (SPAN, LD). Grid: longest row / THREADS by rows.

override H: u32 = 64u;
override LD: u32 = 64u;
override THREADS: u32 = 64u;

@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> k: array<f32>;
@group(0) @binding(3) var<storage, read> rows: array<Row>;
@group(0) @binding(4) var<storage, read_write> p: array<f32>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let columns = (sizes.longest + THREADS - 1u) / THREADS;
    let g = unit(group, groups);
    let j = (g % columns) * THREADS + local.x;
    if g / columns >= sizes.rows {
        return;
    }
    let row = rows[g / columns];
    if j >= row.length {
        return;
    }
    let base = j * LD + row.offset;
    var top = -3.0e38;
    for (var i = 0u; i < row.length; i += 1u) {
        var s = 0.0;
        if i < row.valid {
            for (var h = 0u; h < H; h += 1u) {
                s += q[h * LD + row.offset + i] * k[h * LD + row.offset + j];
            }
            s /= sqrt(f32(H));
        }
        p[base + i] = s;
        top = max(top, s);
    }
    var sum = 0.0;
    for (var i = 0u; i < row.length; i += 1u) {
        let e = exp1(p[base + i] - top);
        p[base + i] = e;
        sum += e;
    }
    for (var i = 0u; i < row.length; i += 1u) {
        p[base + i] /= sum;
    }
}
