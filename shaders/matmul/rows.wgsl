// Weights whose inputs are contiguous: (row, k) of a block lies at BW block + WN row + k, all
// multiples of four. Column r of the matrix holds four inputs of row + r, zeros past the last one.

override BW: u32 = 0u;
override WN: u32 = 64u;

fn weight(block: u32, row: u32, k: u32, end: u32) -> vec4<f32> {
    let v = four(block * BW + min(row, Q - 1u) * WN + k);
    if KLEAD > 3u {
        return v;
    }
    return select(vec4<f32>(0.0), v, k + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(end));
}

fn weights(block: u32, row: u32, k: u32, end: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        weight(block, row, k, end),
        weight(block, row + 1u, k, end),
        weight(block, row + 2u, k, end),
        weight(block, row + 3u, k, end),
    );
}
