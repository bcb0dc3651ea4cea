// Weights stored as pairs of half precision, four at a time.

@group(0) @binding(2) var<storage, read> w: array<vec2<u32>>;

fn four(at: u32) -> vec4<f32> {
    let v = w[at / 4u];
    return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y));
}
