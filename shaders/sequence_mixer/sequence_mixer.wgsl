// M2-BERT's sequence mixer between its projections: short convolutions, gates and long convolutions.
//
// c = short_conv(p), split into x1, x2, v; out = conv1(v x1) x2 [+ conv2(u)].
//
// The kernel that includes this has `projected(c, t)`, channel c of p, from all of p (whole.wgsl) or
// from the third of it that it needs: a long row's p can be larger than a binding.
//
// w (3 H, TAPS), b (3 H).

override H: u32 = 64u;
override LD: u32 = 64u;
override TAPS: u32 = 3u;

@group(0) @binding(5) var<storage, read> w: array<f32>;
@group(0) @binding(6) var<storage, read> b: array<f32>;

fn short_conv(c: u32, t: u32, n: u32) -> f32 {
    var v = b[c];
    for (var i = 0u; i < TAPS; i += 1u) {
        let back = TAPS - 1u - i;
        if n >= back {
            v += w[c * TAPS + i] * projected(c, t - back);
        }
    }
    return v;
}
