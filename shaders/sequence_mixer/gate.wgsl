// What the mixer makes of the convolved signals.
//
// out (CHANNELS, LD).

@group(0) @binding(8) var<storage, read_write> out: array<f32>;

fn finish(t: u32, n: u32, channel: u32, inside: bool, y: vec2<f32>) {
    var v = 0.0;
    if inside {
        v = y.x * short_conv(H + channel, t, n);
        if PAIR {
            v += y.y;
        }
    }
    out[(channel - sizes.first_channel) * LD + t] = v;
}
