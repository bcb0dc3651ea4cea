// Weights of a product for any width and orientation: element (block, row, k) lies at
// block Q P + row WN + k WK; zeros past the last input.

@group(0) @binding(2) var<storage, read> w: array<f32>;

override WN: u32 = 1u;
override WK: u32 = 1u;

fn weight(block: u32, row: u32, k: u32) -> vec4<f32> {
    let base = block * Q * P + row * WN;
    let last = P - 1u;
    let v = vec4<f32>(
        w[base + k * WK],
        w[base + min(k + 1u, last) * WK],
        w[base + min(k + 2u, last) * WK],
        w[base + min(k + 3u, last) * WK],
    );
    return select(vec4<f32>(0.0), v, vec4<u32>(k, k + 1u, k + 2u, k + 3u) < vec4<u32>(P));
}
