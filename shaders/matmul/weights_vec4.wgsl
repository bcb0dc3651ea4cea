// Weights of a product, four inputs at a time: w (NB, Q, P) row-major, P a multiple of 4.

@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;

fn weight(block: u32, row: u32, k: u32) -> vec4<f32> {
    return w[((block * Q + row) * P + k) / 4u];
}
