// Four inputs of four rows: column r of the matrix holds those of row + r, zeros past the last one.

fn weights(block: u32, row: u32, k: u32, end: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        weight(block, row, k, end),
        weight(block, row + 1u, k, end),
        weight(block, row + 2u, k, end),
        weight(block, row + 3u, k, end),
    );
}
