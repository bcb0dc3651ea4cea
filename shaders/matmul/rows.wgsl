// Weights whose inputs are contiguous: (row, k) of a block lies at BW block + WN row + k, all
// multiples of four. Zeros past the last input.

override BW: u32 = 0u;
override WN: u32 = 64u;

fn weight(block: u32, row: u32, k: u32, end: u32) -> vec4<f32> {
    let v = four(block * BW + min(row, Q - 1u) * WN + k);
    if KLEAD > 3u {
        return v;
    }
    return select(vec4<f32>(0.0), v, k + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(end));
}
