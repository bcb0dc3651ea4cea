// Inputs with the summed axis contiguous: x (COLUMNS, XI). Column j of the matrix holds input
// k + j of four columns from 4 t on, zeros past the last one.

override XI: u32 = 64u;

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

fn prepare(tile: Tile, t: u32) {
}

fn input(column: u32, k: u32) -> vec4<f32> {
    let v = x[(min(column, COLUMNS - 1u) * XI + k) / 4u];
    return select(vec4<f32>(0.0), v, k + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(depth()));
}

fn inputs(block: u32, k: u32, t: u32) -> mat4x4<f32> {
    let n = 4u * t;
    return transpose(mat4x4<f32>(input(n, k), input(n + 1u, k), input(n + 2u, k), input(n + 3u, k)));
}
