// Channels of the second third of p, (CHANNELS, LD), for the gate.

@group(0) @binding(4) var<storage, read> x2: array<f32>;

fn projected(c: u32, t: u32) -> f32 {
    return x2[(c - H - sizes.first_channel) * LD + t];
}
