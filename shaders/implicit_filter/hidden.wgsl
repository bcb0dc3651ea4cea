// A later layer's input: a hidden layer's output, x (K, LD).

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

fn input(at: u32, k: u32) -> vec4<f32> {
    return x[k * (LD / 4u) + at];
}
