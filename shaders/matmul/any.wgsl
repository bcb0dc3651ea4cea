// Weights of any width and orientation: (row, k) of a block lies at BW block + WN row + WK k.
// Zeros past the last input.

override BW: u32 = 0u;
override WN: u32 = 1u;
override WK: u32 = 1u;

fn weight(block: u32, row: u32, k: u32, end: u32) -> vec4<f32> {
    let at = block * BW + min(row, Q - 1u) * WN;
    let last = P - 1u;
    let v = vec4<f32>(
        one(at + min(k, last) * WK),
        one(at + min(k + 1u, last) * WK),
        one(at + min(k + 2u, last) * WK),
        one(at + min(k + 3u, last) * WK),
    );
    return select(vec4<f32>(0.0), v, k + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(end));
}
