// Weights whose rows are contiguous: (row, k) of a block lies at BW block + row + WK k, all
// multiples of four. Column r of the matrix holds four inputs of row + r, zeros past the last one.

override BW: u32 = 0u;
override WK: u32 = 64u;

fn weight(block: u32, row: u32, k: u32, end: u32) -> vec4<f32> {
    let v = four(block * BW + min(row, Q - 4u) + min(k, P - 1u) * WK);
    return select(vec4<f32>(0.0), v, k < end);
}

fn weights(block: u32, row: u32, k: u32, end: u32) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(
        weight(block, row, k, end),
        weight(block, row, k + 1u, end),
        weight(block, row, k + 2u, end),
        weight(block, row, k + 3u, end),
    ));
}
