// The statistics of a layer norm, from a tile's results while they are in registers: mean and sum of
// squared distances from it (M2) of each column over the tile's rows.
//
// Mean first, then the distances from it. The columns' sums go through `xs` (matmul/tiled.wgsl).
//
// statistics (tiles, 2, LD): means, then M2s.

override FIRST_TILE: u32 = 0u;  // of the dispatch

@group(0) @binding(6) var<storage, read_write> statistics: array<vec4<f32>>;

fn over_rows(local: vec3<u32>, mine: vec4<f32>) -> vec4<f32> {
    workgroupBarrier();
    xs[local.y * 16u + local.x] = mine;
    workgroupBarrier();
    var sum = vec4<f32>(0.0);
    for (var i = 0u; i < HALF / 2u; i += 1u) {
        sum += xs[i * 16u + local.x];
    }
    return sum;
}

fn squared(row: u32, v: vec4<f32>) -> vec4<f32> {
    return select(vec4<f32>(0.0), v * v, row < ROWS);
}

// Of the rows 2 local.y and 2 local.y + 1 of each half, in this order.
fn record(tile: Tile, local: vec3<u32>, t: u32, upper: mat2x4<f32>, lower: mat2x4<f32>) {
    let count = f32(min(2u * HALF, ROWS - tile.row));
    let mean = over_rows(local, upper[0] + upper[1] + lower[0] + lower[1]) / count;
    let i = 2u * local.y;
    var squares = squared(tile.row + i, upper[0] - mean);
    squares += squared(tile.partner + i, upper[1] - mean);
    squares += squared(tile.row + i + 1u, lower[0] - mean);
    squares += squared(tile.partner + i + 1u, lower[1] - mean);
    let total = over_rows(local, squares);
    if local.y == 0u {
        let tiles = (ROWS + 2u * HALF - 1u) / (2u * HALF);
        let n = FIRST_TILE + tile.block * tiles + tile.row / (2u * HALF);
        let at = n * (LD / 2u) + t;
        statistics[at] = mean;
        statistics[at + LD / 4u] = total;
    }
}
