// Channels of the first and the last third of p, each (CHANNELS, LD), for the signals.

@group(0) @binding(4) var<storage, read> x1: array<f32>;
@group(0) @binding(8) var<storage, read> v: array<f32>;

fn projected(c: u32, t: u32) -> f32 {
    if c < H {
        return x1[(c - sizes.first_channel) * LD + t];
    }
    return v[(c - 2u * H - sizes.first_channel) * LD + t];
}
