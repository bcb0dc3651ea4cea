// Weights, one at a time.

@group(0) @binding(2) var<storage, read> w: array<f32>;

fn one(at: u32) -> f32 {
    return w[at];
}
