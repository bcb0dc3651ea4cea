// s[t, head, j] = q[t] k[offset + j] / sqrt d - slope |i - j|; minus infinity where j is no valid
// key of t's row. Only the decomposed plan stores scores.
//
// q, k (HEADS D, LD), slopes (HEADS), s (HEADS SPAN, LD).
// Grid: longest row / THREADS by rows x HEADS.

override HEADS: u32 = 1u;
override D: u32 = 16u;
override SPAN: u32 = 64u;
override LD: u32 = 64u;
override THREADS: u32 = 64u;
override ALIBI: bool = false;

@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> k: array<f32>;
@group(0) @binding(3) var<storage, read> slopes: array<f32>;
@group(0) @binding(4) var<storage, read> rows: array<Row>;
@group(0) @binding(5) var<storage, read_write> s: array<f32>;

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
    if n >= row.length {
        return;
    }
    let base = head * D * LD + row.offset;
    var slope = 0.0;
    if ALIBI {
        slope = slopes[head];
    }
    for (var j = 0u; j < SPAN; j += 1u) {
        var score = sizes.neg_inf;
        if j < row.valid {
            var sum = 0.0;
            for (var d = 0u; d < D; d += 1u) {
                sum += q[base + d * LD + n] * k[base + d * LD + j];
            }
            score = sum / sqrt(f32(D)) - slope * abs(f32(n) - f32(j));
        }
        s[(head * SPAN + j) * LD + row.offset + n] = score;
    }
}
