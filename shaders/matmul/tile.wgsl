// y = epilogue(W x): dense and block-diagonal products and both halves of an order-2 Monarch
// product, whose permutations are the strides of rows.
//
// Version 1: an invocation owns 8 rows x 4 tokens in registers; no workgroup memory, which suits
// software adapters and direct-from-cache GPUs.
//
// x (rows, LD) row XB block + XI k, w by `weight`, bias (NB Q), residual and y (rows, LD) row
// YB block + YI row. Grid: tokens / 32 by blocks x rows / 64.

override NB: u32 = 1u;          // blocks
override Q: u32 = 64u;          // rows of a block
override P: u32 = 64u;          // inputs of a block
override XB: u32 = 64u;
override XI: u32 = 1u;
override YB: u32 = 64u;
override YI: u32 = 1u;
override LD: u32 = 64u;
override LEAD: u32 = 0u;
override BIAS: bool = false;
override ACTIVATION: u32 = 0u;
override RESIDUAL: bool = false;

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;

fn finish(block: u32, row: u32, t: u32, sum: vec4<f32>) {
    if row >= Q {
        return;
    }
    var v = sum;
    if BIAS {
        v += bias[block * Q + row];
    }
    v = activate(ACTIVATION, v);
    let at = (block * YB + row * YI) * (LD / 4u) + t;
    if RESIDUAL {
        v += residual[at];
    }
    y[at] = v;
}

fn madd(sum: vec4<f32>, m: vec4<f32>, x0: vec4<f32>, x1: vec4<f32>, x2: vec4<f32>, x3: vec4<f32>) -> vec4<f32> {
    return sum + m.x * x0 + m.y * x1 + m.z * x2 + m.w * x3;
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let count = lead(LEAD);
    let columns = (count + 31u) / 32u;
    let g = unit(group, groups);
    let t = (g % columns) * 8u + local.x;
    let tile = (g / columns) * 8u + local.y;
    let tiles = (Q + 7u) / 8u;
    let block = tile / tiles;
    let row = (tile % tiles) * 8u;
    if block >= NB || t * 4u >= count {
        return;
    }
    let last = Q - 1u;
    let r1 = min(row + 1u, last);
    let r2 = min(row + 2u, last);
    let r3 = min(row + 3u, last);
    let r4 = min(row + 4u, last);
    let r5 = min(row + 5u, last);
    let r6 = min(row + 6u, last);
    let r7 = min(row + 7u, last);
    var s0 = vec4<f32>(0.0);
    var s1 = vec4<f32>(0.0);
    var s2 = vec4<f32>(0.0);
    var s3 = vec4<f32>(0.0);
    var s4 = vec4<f32>(0.0);
    var s5 = vec4<f32>(0.0);
    var s6 = vec4<f32>(0.0);
    var s7 = vec4<f32>(0.0);
    let base = block * XB * (LD / 4u) + t;
    let step = XI * (LD / 4u);
    for (var k = 0u; k < P; k += 4u) {
        let x0 = x[base + k * step];
        let x1 = x[base + min(k + 1u, P - 1u) * step];
        let x2 = x[base + min(k + 2u, P - 1u) * step];
        let x3 = x[base + min(k + 3u, P - 1u) * step];
        s0 = madd(s0, weight(block, row, k), x0, x1, x2, x3);
        s1 = madd(s1, weight(block, r1, k), x0, x1, x2, x3);
        s2 = madd(s2, weight(block, r2, k), x0, x1, x2, x3);
        s3 = madd(s3, weight(block, r3, k), x0, x1, x2, x3);
        s4 = madd(s4, weight(block, r4, k), x0, x1, x2, x3);
        s5 = madd(s5, weight(block, r5, k), x0, x1, x2, x3);
        s6 = madd(s6, weight(block, r6, k), x0, x1, x2, x3);
        s7 = madd(s7, weight(block, r7, k), x0, x1, x2, x3);
    }
    finish(block, row, t, s0);
    finish(block, row + 1u, t, s1);
    finish(block, row + 2u, t, s2);
    finish(block, row + 3u, t, s3);
    finish(block, row + 4u, t, s4);
    finish(block, row + 5u, t, s5);
    finish(block, row + 6u, t, s6);
    finish(block, row + 7u, t, s7);
}
