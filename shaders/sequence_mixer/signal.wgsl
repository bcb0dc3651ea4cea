// What the mixer convolves: v x1, and u where there is a second convolution.
//
// u (CHANNELS, LD).

@group(0) @binding(7) var<storage, read> u: array<f32>;

fn signal(t: u32, n: u32, channel: u32) -> vec2<f32> {
    let a = short_conv(2u * H + channel, t, n) * short_conv(channel, t, n);
    if PAIR {
        return vec2<f32>(a, u[(channel - sizes.first_channel) * LD + t]);
    }
    return vec2<f32>(a, 0.0);
}
