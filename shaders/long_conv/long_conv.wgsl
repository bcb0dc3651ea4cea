// out = conv(x), one long convolution along each row.
//
// x, out (CHANNELS, LD).

override LD: u32 = 64u;

@group(0) @binding(4) var<storage, read> x: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

fn signal(t: u32, n: u32, channel: u32) -> vec2<f32> {
    return vec2<f32>(x[(channel - sizes.first_channel) * LD + t], 0.0);
}

fn finish(t: u32, n: u32, channel: u32, inside: bool, y: vec2<f32>) {
    out[(channel - sizes.first_channel) * LD + t] = select(0.0, y.x, inside);
}
