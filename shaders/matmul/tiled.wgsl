// y = epilogue(W x), as matmul/direct.wgsl, for GPUs.
//
// Version 1: slices of 16 inputs of 4 HALF / 2 rows and 64 columns go through workgroup memory,
// padded against bank conflicts; the next slice is fetched into registers while this one is
// multiplied. An invocation owns 2 rows of each half x vec4 columns. HALF is 32, or 16 where rows
// or columns are few (not in gates of blocks, whose halves stage inputs of their own).
//
// x by `inputs`, w by `weights`, the rest by `store`, statistics of the results by `record`.
// Grid: columns / 64 by tiles.

const INPUTS: u32 = 16u;        // of a slice
const W_STEP: u32 = 5u;         // vec4s of a row of weights: 16 inputs and one of padding
const X_STEP: u32 = 17u;        // vec4s of an input: 64 columns and one of padding
const X_HALF: u32 = 272u;       // where the second half's inputs begin

var<workgroup> ws: array<vec4<f32>, 2u * HALF * W_STEP>;
var<workgroup> xs: array<vec4<f32>, 2u * X_HALF>;

// A 4 x 4 piece of a slice: first of the weights, then of the inputs of either half.
fn fetch(tile: Tile, i: u32, k: u32, t: u32) -> mat4x4<f32> {
    let j = i - 2u * HALF;
    let at = k + select(j % 64u / 16u, i % 4u, i < 2u * HALF) * 4u;
    if at >= tile.end {
        return mat4x4<f32>();
    }
    if i < 2u * HALF {
        let row = i / 4u * 4u;
        if row < HALF {
            return weights(tile.block, tile.row + row, at, tile.end);
        }
        return weights(tile.other, tile.partner + row - HALF, at, tile.end);
    }
    if j < 64u {
        return inputs(tile.block, at, t + j % 16u);
    }
    if j < 128u && !shared_inputs() {
        return inputs(tile.other, at, t + j % 16u);
    }
    return mat4x4<f32>();
}

fn stage(i: u32, piece: mat4x4<f32>) {
    if i < 2u * HALF {
        let at = i / 4u * 4u * W_STEP + i % 4u;
        ws[at] = piece[0];
        ws[at + W_STEP] = piece[1];
        ws[at + 2u * W_STEP] = piece[2];
        ws[at + 3u * W_STEP] = piece[3];
        return;
    }
    let j = i - 2u * HALF;
    if j < 64u || (j < 128u && !shared_inputs()) {
        let at = j / 64u * X_HALF + j % 64u / 16u * 4u * X_STEP + j % 16u;
        xs[at] = piece[0];
        xs[at + X_STEP] = piece[1];
        xs[at + 2u * X_STEP] = piece[2];
        xs[at + 3u * X_STEP] = piece[3];
    }
}

fn staged(at: u32) -> mat4x4<f32> {
    return mat4x4<f32>(xs[at], xs[at + X_STEP], xs[at + 2u * X_STEP], xs[at + 3u * X_STEP]);
}

@compute @workgroup_size(16, HALF / 2)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) i: u32,
) {
    let strips = (columns() + 63u) / 64u;
    let g = unit(group, groups);
    let t = g % strips * 16u;
    let tile = place(g / strips);
    if tile.slice >= SLICES {
        return;
    }
    var a = mat2x4<f32>();
    var b = mat2x4<f32>();
    if i >= 2u * HALF && i < 2u * HALF + 64u {
        prepare(tile, t + i % 16u);
    }
    var piece = fetch(tile, i, tile.begin, t);
    let first = 2u * local.y * W_STEP;
    let second = first + HALF * W_STEP;
    for (var k = tile.begin; k < tile.end; k += INPUTS) {
        workgroupBarrier();
        stage(i, piece);
        workgroupBarrier();
        if k + INPUTS < tile.end {
            piece = fetch(tile, i, k + INPUTS, t);
        }
        for (var j = 0u; j < INPUTS / 4u; j += 1u) {
            var x = staged(4u * j * X_STEP + local.x);
            a += x * mat2x4<f32>(ws[first + j], ws[first + W_STEP + j]);
            if !shared_inputs() {
                x = staged(X_HALF + 4u * j * X_STEP + local.x);
            }
            b += x * mat2x4<f32>(ws[second + j], ws[second + W_STEP + j]);
        }
    }
    let upper = store(tile, 2u * local.y, t + local.x, a[0], b[0]);
    let lower = store(tile, 2u * local.y + 1u, t + local.x, a[1], b[1]);
    record(tile, local, t + local.x, upper, lower);
}
