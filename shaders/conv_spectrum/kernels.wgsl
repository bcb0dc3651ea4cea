// The kernels of one or two convolutions as signals of 2L points: lag n at n, lag -m at 2L - m.
// Even frequencies are the transform of both halves' sum, odd ones that of their difference.
//
// k, k_rev (CHANNELS, LD), D (H).

override LD: u32 = 64u;
override PAIR: bool = true;
override REVERSE: u32 = 1u;     // 0 none, 1 k_rev[0] has lag -1, 2 k_rev[0] has lag 0

@group(0) @binding(3) var<storage, read> k1: array<f32>;
@group(0) @binding(4) var<storage, read> r1: array<f32>;
@group(0) @binding(5) var<storage, read> d1: array<f32>;
@group(0) @binding(6) var<storage, read> k2: array<f32>;
@group(0) @binding(7) var<storage, read> r2: array<f32>;
@group(0) @binding(8) var<storage, read> d2: array<f32>;

// The kernels at lag n >= 0, D at lag 0 included.
fn ahead(channel: u32, n: u32) -> vec2<f32> {
    let at = channel * LD + n;
    var v = vec2<f32>(k1[at], 0.0);
    if PAIR {
        v.y = k2[at];
    }
    if n == 0u {
        v.x += d1[sizes.first_channel + channel];
        if PAIR {
            v.y += d2[sizes.first_channel + channel];
        }
        if REVERSE == 2u {
            v += reversed(at);
        }
    }
    return v;
}

fn reversed(at: u32) -> vec2<f32> {
    if PAIR {
        return vec2<f32>(r1[at], r2[at]);
    }
    return vec2<f32>(r1[at], 0.0);
}

// The kernels at lag n - L < 0; nothing has lag -L.
fn back(channel: u32, n: u32) -> vec2<f32> {
    if REVERSE == 0u || n == 0u {
        return vec2<f32>(0.0);
    }
    return reversed(channel * LD + L - n - (2u - REVERSE));
}

fn value(channel: u32, row: u32, half: u32, n: u32) -> vec2<f32> {
    if half == 1u {
        return ahead(channel, n) - back(channel, n);
    }
    return ahead(channel, n) + back(channel, n);
}
