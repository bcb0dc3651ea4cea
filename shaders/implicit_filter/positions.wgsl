// The first layer's input: positions as features, x (1, COUNT, K).

override COUNT: u32 = 64u;

@group(0) @binding(1) var<storage, read> x: array<f32>;

fn input(at: u32, k: u32) -> vec4<f32> {
    let n = min(vec4<u32>(0u, 1u, 2u, 3u) + 4u * at, vec4<u32>(COUNT - 1u)) * K + k;
    return vec4<f32>(x[n.x], x[n.y], x[n.z], x[n.w]);
}
