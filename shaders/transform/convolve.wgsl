// One or two real convolutions of one (row, channel) as one complex one, z = a + i u, with
// W(f) = Z(f) P(f) + conj Z(-f) M(f) and P, M = (K1 +- K2) / 2; for one convolution P = K1, M = 0.
//
// The zero-padded transform of 2L points is two of L points: even frequencies are the transform
// of z, odd ones that of z[n] w^n, w the 2L-th root; each takes only L values of workgroup memory.
// a is scaled by a power of two to u's size, or the smaller one would inherit the larger one's
// rounding.
//
// The kernel that includes this has `signal(t, n, channel)`, which gives (a, u) of token t = row
// offset + n, and `finish(t, n, channel, inside, y)`, which stores y = (conv1 a, conv2 u).
//
// rows (R), spectrum (H, 2 or 4, L) as conv_spectrum/transform.wgsl writes it. Grid: rows by H.

override H: u32 = 64u;
override PAIR: bool = true;

@group(0) @binding(2) var<storage, read> spectrum: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> rows: array<Row>;

// Multiplies by the spectrum. half 0: frequencies 2m; half 1: frequencies 2m + 1.
fn multiply(lane: u32, channel: u32, half: u32) {
    var base = channel * L + half * (L / 2u);
    if PAIR {
        base += channel * L;
    }
    for (var j = lane; j < L / 2u; j += THREADS) {
        let p = spectrum[base + j];
        var m = vec2<f32>(0.0);
        if PAIR {
            m = spectrum[base + L + j];
        }
        if half == 0u && j == 0u {
            // Frequencies 0 and L are their own mirrors, their kernels are real.
            z[0] = z[0] * vec2<f32>(p.x + m.x, p.x - m.x);
            z[1] = z[1] * vec2<f32>(p.y + m.y, p.y - m.y);
        } else {
            let here = place(j);
            let mirror = place(L - half - j);
            let a = z[here];
            let b = z[mirror];
            z[here] = cmul(a, p) + cmulc(m, b);
            // conj(a) conj(M)
            let am = cmul(a, m);
            z[mirror] = cmulc(b, p) + vec2<f32>(am.x, -am.y);
        }
    }
    workgroupBarrier();
}

fn exponent(x: f32) -> i32 {
    return i32((bitcast<u32>(x) >> 23u) & 255u);
}

// The exponent of the power of two that brings a to u's size.
fn balance(lane: u32, peak: vec2<f32>) -> i32 {
    z[lane] = peak;
    workgroupBarrier();
    for (var s = THREADS / 2u; s > 0u; s = s / 2u) {
        if lane < s {
            z[lane] = max(z[lane], z[lane + s]);
        }
        workgroupBarrier();
    }
    let top = z[0];
    workgroupBarrier();
    if top.x == 0.0 || top.y == 0.0 {
        return 0;
    }
    return clamp(exponent(top.y) - exponent(top.x), -60, 60);
}

fn power(e: i32) -> f32 {
    return bitcast<f32>(u32(127 + e) << 23u);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let g = unit(group, groups);
    let channel = g / sizes.rows;
    if channel >= H {
        return;
    }
    let row = rows[g % sizes.rows];
    // L / THREADS is at most 8.
    var signals: array<vec2<f32>, 8>;
    var sums: array<vec2<f32>, 8>;
    var peak = vec2<f32>(0.0);
    for (var i = 0u; i < L / THREADS; i += 1u) {
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
        e = balance(lane, peak);
    }
    let scale = vec2<f32>(power(e), 1.0);
    for (var half = 0u; half < 2u; half += 1u) {
        for (var i = 0u; i < L / THREADS; i += 1u) {
            let n = i * THREADS + lane;
            var v = signals[i] * scale;
            if half == 1u {
                v = cmul(v, roots[n]);
            }
            z[n] = v;
        }
        workgroupBarrier();
        forward(lane);
        multiply(lane, channel, half);
        inverse(lane);
        for (var i = 0u; i < L / THREADS; i += 1u) {
            let n = i * THREADS + lane;
            var v = z[n];
            if half == 1u {
                v = cmulc(v, roots[n]);
            }
            sums[i] += v;
        }
    }
    for (var i = 0u; i < L / THREADS; i += 1u) {
        let n = i * THREADS + lane;
        if n < (row.length + 3u) / 4u * 4u {
            let y = sums[i] * vec2<f32>(power(-e), 1.0);
            finish(row.offset + n, n, channel, n < row.length, y);
        }
    }
}
