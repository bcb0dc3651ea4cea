// Inputs with the columns (tokens) contiguous: x (rows, LD), input k of a block is row
// XB block + XI k. Column j of the matrix holds input k + j of four columns from 4 t on; inputs
// past the last one stand for any number, since their weights are zero.

override XB: u32 = 64u;
override XI: u32 = 1u;

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

fn prepare(tile: Tile, t: u32) {
}

fn input(block: u32, k: u32, t: u32) -> vec4<f32> {
    return x[(block * XB + min(k, P - 1u) * XI) * (LD / 4u) + t];
}

fn inputs(block: u32, k: u32, t: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        input(block, k, t),
        input(block, k + 1u, t),
        input(block, k + 2u, t),
        input(block, k + 3u, t),
    );
}
