// y[t, c] = b[c] + sum over i of w[c, i] x[t - (TAPS - 1) + i, c]; zeros before a row's start.
//
// x, y (C, LD), w (C, TAPS), b (C). Grid: rows by C; the invocations walk along the row.

override C: u32 = 64u;
override LD: u32 = 64u;
override TAPS: u32 = 3u;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read> rows: array<Row>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(32)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let g = unit(group, groups);
    let c = g / sizes.rows;
    if c >= C {
        return;
    }
    let row = rows[g % sizes.rows];
    let base = c * LD + row.offset;
    for (var n = local.x; n < (row.length + 3u) / 4u * 4u; n += 32u) {
        // The gap before the next row holds zeros.
        var v = 0.0;
        if n < row.length {
            v = b[c];
            for (var i = 0u; i < TAPS; i += 1u) {
                let back = TAPS - 1u - i;
                if n >= back {
                    v += w[c * TAPS + i] * x[base + n - back];
                }
            }
        }
        y[base + n] = v;
    }
}
