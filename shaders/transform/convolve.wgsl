// One or two real convolutions of one (row, channel) as one complex one, z = a + i u, with
// W(f) = Z(f) P(f) + conj Z(-f) M(f) and P, M = (K1 +- K2) / 2; for one convolution P = K1, M = 0.
//
// The zero-padded transform of 2L points is two of L points: even frequencies are the transform
// of z, odd ones that of z[n] w^n, w the 2L-th root; each takes only L values of workgroup memory.
//
// The kernel that includes this has `signal(t, n, channel)`, which gives (a, u) of token t = row
// offset + n, and `finish(t, n, channel, inside, y)`, which stores y = (conv1 a, conv2 u).
//
// rows (R), spectrum by product.wgsl. Constant of the text: HELD, points of an invocation at most. Grid: rows by CHANNELS.

override L: u32 = 32u;          // equals N
override CHANNELS: u32 = 64u;   // from the dispatch's first channel on

@group(0) @binding(2) var<storage, read> spectrum: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> rows: array<Row>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let g = unit(group, groups);
    let part = g / sizes.rows;
    if part >= CHANNELS {
        return;
    }
    let channel = sizes.first_channel + part;
    let row = rows[g % sizes.rows];
    var signals: array<vec2<f32>, HELD>;
    var sums: array<vec2<f32>, HELD>;
    var peak = vec2<f32>(0.0);
    for (var i = 0u; i < N / THREADS; i += 1u) {
        let n = i * THREADS + lane;
        var v = vec2<f32>(0.0);
        if n < row.length {
            v = signal(row.offset + n, n, channel);
        }
        signals[i] = v;
        sums[i] = vec2<f32>(0.0);
        peak = max(peak, abs(v));
    }
    var e = 0;
    if PAIR {
        e = balance(largest(lane, peak));
    }
    let scale = vec2<f32>(power(e), 1.0);
    let base = part * N * select(1u, 2u, PAIR);
    for (var half = 0u; half < 2u; half += 1u) {
        for (var i = 0u; i < N / THREADS; i += 1u) {
            let n = i * THREADS + lane;
            var v = signals[i] * scale;
            if half == 1u {
                v = cmul(v, roots[n]);
            }
            z[n] = v;
        }
        workgroupBarrier();
        forward(lane);
        for (var j = lane; j < N / 2u; j += THREADS) {
            let own = half == 0u;
            couple(base + half * (N / 2u) + j, mirrored(j, own), own && j == 0u);
        }
        workgroupBarrier();
        inverse(lane);
        for (var i = 0u; i < N / THREADS; i += 1u) {
            let n = i * THREADS + lane;
            var v = z[n];
            if half == 1u {
                v = cmulc(v, roots[n]);
            }
            sums[i] += v;
        }
    }
    for (var i = 0u; i < N / THREADS; i += 1u) {
        let n = i * THREADS + lane;
        if n < (row.length + 3u) / 4u * 4u {
            let y = sums[i] * vec2<f32>(power(-e), 1.0);
            finish(row.offset + n, n, channel, n < row.length, y);
        }
    }
}
