// M2-BERT's whole sequence mixer between its projections: short convolutions, gates and long
// convolutions in one kernel; each input is read, and the result written, once.
//
// c = short_conv(p), split into x1, x2, v; out = conv1(v x1) x2 [+ conv2(u)].
//
// p (3 H, LD), w (3 H, TAPS), b (3 H), u, out (H, LD).

override H: u32 = 64u;
override LD: u32 = 64u;
override TAPS: u32 = 3u;

@group(0) @binding(4) var<storage, read> p: array<f32>;
@group(0) @binding(5) var<storage, read> w: array<f32>;
@group(0) @binding(6) var<storage, read> b: array<f32>;
@group(0) @binding(7) var<storage, read> u: array<f32>;
@group(0) @binding(8) var<storage, read_write> out: array<f32>;

fn short_conv(c: u32, t: u32, n: u32) -> f32 {
    var v = b[c];
    for (var i = 0u; i < TAPS; i += 1u) {
        let back = TAPS - 1u - i;
        if n >= back {
            v += w[c * TAPS + i] * p[c * LD + t - back];
        }
    }
    return v;
}

fn signal(t: u32, n: u32, channel: u32) -> vec2<f32> {
    let a = short_conv(2u * H + channel, t, n) * short_conv(channel, t, n);
    if PAIR {
        return vec2<f32>(a, u[channel * LD + t]);
    }
    return vec2<f32>(a, 0.0);
}

fn finish(t: u32, n: u32, channel: u32, inside: bool, y: vec2<f32>) {
    var v = 0.0;
    if inside {
        v = y.x * short_conv(H + channel, t, n);
        if PAIR {
            v += y.y;
        }
    }
    out[channel * LD + t] = v;
}
