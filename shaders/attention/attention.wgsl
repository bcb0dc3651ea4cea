// out = softmax(q k / sqrt d - slope |i - j|, over the row's valid keys) v, head by head, with an
// online softmax: no score reaches memory.
//
// Version 1: an invocation owns one query; keys go by fours, the same for all invocations of a
// workgroup. HEAD_DIM is a constant of the text, since private arrays take no override.
//
// q, k, v, out (HEADS HEAD_DIM, LD), slopes (HEADS). Grid: longest row / THREADS by rows x HEADS.

override HEADS: u32 = 1u;
override LD: u32 = 64u;
override THREADS: u32 = 64u;
override ALIBI: bool = false;

@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> k: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> v: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> slopes: array<f32>;
@group(0) @binding(5) var<storage, read> rows: array<Row>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let columns = (sizes.longest + THREADS - 1u) / THREADS;
    let g = unit(group, groups);
    let n = (g % columns) * THREADS + local.x;
    let head = g / columns / sizes.rows;
    if head >= HEADS {
        return;
    }
    let row = rows[g / columns % sizes.rows];
    if n >= (row.length + 3u) / 4u * 4u {
        return;
    }
    let base = head * HEAD_DIM * LD;
    let t = row.offset + n;
    var query: array<f32, HEAD_DIM>;
    var sum: array<f32, HEAD_DIM>;
    let scale = 1.0 / sqrt(f32(HEAD_DIM));
    for (var d = 0u; d < HEAD_DIM; d += 1u) {
        query[d] = q[base + d * LD + t] * scale;
        sum[d] = 0.0;
    }
    var slope = 0.0;
    if ALIBI {
        slope = slopes[head];
    }
    var top = -3.0e38;
    var weight = 0.0;
    // The gap before the next row holds zeros.
    let keys = select(0u, row.valid, n < row.length);
    for (var j = 0u; j < keys; j += 4u) {
        let at = (base + row.offset + j) / 4u;
        var s = vec4<f32>(0.0);
        for (var d = 0u; d < HEAD_DIM; d += 1u) {
            s += query[d] * k[at + d * (LD / 4u)];
        }
        let index = vec4<u32>(j, j + 1u, j + 2u, j + 3u);
        s -= slope * abs(vec4<f32>(index) - f32(n));
        let is_key = index < vec4<u32>(row.valid);
        s = select(vec4<f32>(-3.0e38), s, is_key);
        let next = max(top, max(max(s.x, s.y), max(s.z, s.w)));
        let old = exp1(top - next);
        let p = select(vec4<f32>(0.0), exp4(s - next), is_key);
        weight = weight * old + p.x + p.y + p.z + p.w;
        for (var d = 0u; d < HEAD_DIM; d += 1u) {
            // What lies past the last key may be anything: it must not meet a product.
            let value = select(vec4<f32>(0.0), v[at + d * (LD / 4u)], is_key);
            sum[d] = sum[d] * old + dot(p, value);
        }
        top = next;
    }
    let share = select(0.0, 1.0 / weight, weight > 0.0);
    for (var d = 0u; d < HEAD_DIM; d += 1u) {
        out[base + d * LD + t] = sum[d] * share;
    }
}
