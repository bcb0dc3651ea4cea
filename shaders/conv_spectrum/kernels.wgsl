// The kernels of one or two convolutions, by lag: k (L, H), k_rev and D, each (H, LD) or (H).

override H: u32 = 64u;
override LD: u32 = 64u;
override PAIR: bool = true;
override REVERSE: u32 = 1u;     // 0 none, 1 k_rev[0] has lag -1, 2 k_rev[0] has lag 0

@group(0) @binding(2) var<storage, read> k1: array<f32>;
@group(0) @binding(3) var<storage, read> r1: array<f32>;
@group(0) @binding(4) var<storage, read> d1: array<f32>;
@group(0) @binding(5) var<storage, read> k2: array<f32>;
@group(0) @binding(6) var<storage, read> r2: array<f32>;
@group(0) @binding(7) var<storage, read> d2: array<f32>;

// The kernel at lag n >= 0, D at lag 0 included.
fn ahead(which: u32, channel: u32, n: u32) -> f32 {
    let at = channel * LD + n;
    var v = 0.0;
    if which == 0u {
        v = k1[at];
        if n == 0u {
            v += d1[channel];
            if REVERSE == 2u {
                v += r1[at];
            }
        }
    } else {
        v = k2[at];
        if n == 0u {
            v += d2[channel];
            if REVERSE == 2u {
                v += r2[at];
            }
        }
    }
    return v;
}

// The kernel at lag -m, m > 0.
fn back(which: u32, channel: u32, m: u32) -> f32 {
    if REVERSE == 0u {
        return 0.0;
    }
    let at = channel * LD + m - (2u - REVERSE);
    if which == 0u {
        return r1[at];
    }
    return r2[at];
}
