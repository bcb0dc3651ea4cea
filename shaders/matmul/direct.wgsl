// y = epilogue(W x): dense, block-diagonal and gated products, and both halves of an order-2
// Monarch product, whose permutations are the strides of rows.
//
// Version 1: an invocation owns 8 rows x vec4 tokens in registers; no workgroup memory. Version 2:
// 16 rows x 16 tokens as 16 matrices, since software adapters spend their time on loads, which a
// larger tile shares: 2.4 times version 1 on lavapipe 22 and SwiftShader. HALF is 8, or 4 where rows
// are few: drivers compile half the code in half the time.
//
// Where columns are few, an invocation owns fewer of them (VECS), and its neighbours take the inputs
// in turn (PHASES), so that all together read whole lines of weights; each stores a slice of the sum.
//
// x by `inputs`, w by `weights`, the rest by `store`.
// Grid: columns / (4 VECS ACROSS) by tiles / (32 / (ACROSS PHASES)).

override ACROSS: u32 = 8u;      // invocations of a workgroup along columns
override VECS: u32 = 4u;        // vec4s of columns of an invocation: 1, 2 or 4
override PHASES: u32 = 1u;      // invocations that share a sum

// 4 rows x 16 columns, or 4 inputs of 16 columns; neighbours lie ACROSS vec4s apart.
struct Strip {
    s0: mat4x4<f32>,
    s1: mat4x4<f32>,
    s2: mat4x4<f32>,
    s3: mat4x4<f32>,
}

fn strip(block: u32, k: u32, t: u32) -> Strip {
    var x = Strip();
    x.s0 = inputs(block, k, t);
    if VECS > 1u {
        x.s1 = inputs(block, k, t + ACROSS);
    }
    if VECS > 2u {
        x.s2 = inputs(block, k, t + 2u * ACROSS);
        x.s3 = inputs(block, k, t + 3u * ACROSS);
    }
    return x;
}

fn madd(sums: Strip, x: Strip, w: mat4x4<f32>) -> Strip {
    var v = sums;
    v.s0 += x.s0 * w;
    if VECS > 1u {
        v.s1 += x.s1 * w;
    }
    if VECS > 2u {
        v.s2 += x.s2 * w;
        v.s3 += x.s3 * w;
    }
    return v;
}

// Four rows of each half.
fn put4(tile: Tile, i: u32, t: u32, a: mat4x4<f32>, b: mat4x4<f32>) {
    store(tile, i, t, a[0], b[0]);
    store(tile, i + 1u, t, a[1], b[1]);
    store(tile, i + 2u, t, a[2], b[2]);
    store(tile, i + 3u, t, a[3], b[3]);
}

fn put(tile: Tile, i: u32, t: u32, a: Strip, b: Strip) {
    put4(tile, i, t, a.s0, b.s0);
    if VECS > 1u {
        put4(tile, i, t + ACROSS, a.s1, b.s1);
    }
    if VECS > 2u {
        put4(tile, i, t + 2u * ACROSS, a.s2, b.s2);
        put4(tile, i, t + 3u * ACROSS, a.s3, b.s3);
    }
}

@compute @workgroup_size(ACROSS * PHASES, 32u / (ACROSS * PHASES))
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let wide = 4u * VECS * ACROSS;
    let strips = (columns() + wide - 1u) / wide;
    let g = unit(group, groups);
    let t = g % strips * (VECS * ACROSS) + local.x / PHASES;
    var tile = place(g / strips * (32u / (ACROSS * PHASES)) + local.y);
    if tile.slice >= SLICES || t * 4u >= columns() {
        return;
    }
    let phase = local.x % PHASES;
    tile.slice = tile.slice * PHASES + phase;
    let begin = tile.begin + 4u * phase;
    var a0 = Strip();
    var a1 = Strip();
    var b0 = Strip();
    var b1 = Strip();
    for (var k = begin; k < tile.end; k += 4u * PHASES) {
        let x = strip(tile.block, k, t);
        a0 = madd(a0, x, weights(tile.block, tile.row, k, tile.end));
        if HALF > 4u {
            a1 = madd(a1, x, weights(tile.block, tile.row + 4u, k, tile.end));
        }
        if shared_inputs() {
            b0 = madd(b0, x, weights(tile.other, tile.partner, k, tile.end));
            if HALF > 4u {
                b1 = madd(b1, x, weights(tile.other, tile.partner + 4u, k, tile.end));
            }
        }
    }
    // Halves without common inputs, one after the other: fewer sums are held at a time.
    if !shared_inputs() {
        for (var k = begin; k < tile.end; k += 4u * PHASES) {
            let x = strip(tile.other, k, t);
            b0 = madd(b0, x, weights(tile.other, tile.partner, k, tile.end));
            if HALF > 4u {
                b1 = madd(b1, x, weights(tile.other, tile.partner + 4u, k, tile.end));
            }
        }
    }
    put(tile, 0u, t, a0, b0);
    if HALF > 4u {
        put(tile, 4u, t, a1, b1);
    }
}
