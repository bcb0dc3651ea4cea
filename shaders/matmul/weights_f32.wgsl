// Weights, four at a time.

@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;

fn four(at: u32) -> vec4<f32> {
    return w[at / 4u];
}
