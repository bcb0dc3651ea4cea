// out = conv1(a) x2 + conv2(u), both convolutions in one transform.
//
// a, u, x2, out (CHANNELS, LD).

override LD: u32 = 64u;

@group(0) @binding(4) var<storage, read> a: array<f32>;
@group(0) @binding(5) var<storage, read> u: array<f32>;
@group(0) @binding(6) var<storage, read> x2: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;

fn signal(t: u32, n: u32, channel: u32) -> vec2<f32> {
    let at = (channel - sizes.first_channel) * LD + t;
    return vec2<f32>(a[at], u[at]);
}

fn finish(t: u32, n: u32, channel: u32, inside: bool, y: vec2<f32>) {
    let at = (channel - sizes.first_channel) * LD + t;
    var v = 0.0;
    if inside {
        v = y.x * x2[at] + y.y;
    }
    out[at] = v;
}
