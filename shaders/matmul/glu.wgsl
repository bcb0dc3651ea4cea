// y = activation(gate) linear + residual: a gated product whose wide result never reaches memory.
// Row j of the gate pairs with the row half the width further: GB blocks and GR rows away.
//
// Version 1: 4 gate rows and their 4 partners x 4 tokens in registers, as in tile.wgsl.
//
// x (NB P, LD) or for a dense product (P, LD), w by `weight`, bias (2 HALVES ROWS), residual and
// y (HALVES ROWS, LD). Grid: tokens / 32 by rows / 32.

override NB: u32 = 2u;          // blocks of the weights
override Q: u32 = 64u;          // rows of a block
override P: u32 = 64u;          // inputs of a block
override BLOCKS: u32 = 1u;      // blocks of gates
override ROWS: u32 = 64u;       // gates of a block
override GB: u32 = 1u;
override GR: u32 = 0u;
override LD: u32 = 64u;
override LEAD: u32 = 0u;
override BIAS: bool = false;
override ACTIVATION: u32 = 0u;
override RESIDUAL: bool = false;

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;

fn finish(block: u32, row: u32, t: u32, gate: vec4<f32>, linear: vec4<f32>) {
    if row >= ROWS {
        return;
    }
    var a = gate;
    var b = linear;
    if BIAS {
        a += bias[block * Q + row];
        b += bias[(block + GB) * Q + row + GR];
    }
    let at = (block * ROWS + row) * (LD / 4u) + t;
    var v = activate(ACTIVATION, a) * b;
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
    let tiles = (ROWS + 3u) / 4u;
    let block = tile / tiles;
    let row = (tile % tiles) * 4u;
    if block >= BLOCKS || t * 4u >= count {
        return;
    }
    let r1 = min(row + 1u, ROWS - 1u);
    let r2 = min(row + 2u, ROWS - 1u);
    let r3 = min(row + 3u, ROWS - 1u);
    let other = block + GB;
    var a0 = vec4<f32>(0.0);
    var a1 = vec4<f32>(0.0);
    var a2 = vec4<f32>(0.0);
    var a3 = vec4<f32>(0.0);
    var b0 = vec4<f32>(0.0);
    var b1 = vec4<f32>(0.0);
    var b2 = vec4<f32>(0.0);
    var b3 = vec4<f32>(0.0);
    let step = LD / 4u;
    let gate_base = block * P * step + t;
    let linear_base = other * P * step + t;
    for (var k = 0u; k < P; k += 4u) {
        let k1 = min(k + 1u, P - 1u) * step;
        let k2 = min(k + 2u, P - 1u) * step;
        let k3 = min(k + 3u, P - 1u) * step;
        let x0 = x[gate_base + k * step];
        let x1 = x[gate_base + k1];
        let x2 = x[gate_base + k2];
        let x3 = x[gate_base + k3];
        a0 = madd(a0, weight(block, row, k), x0, x1, x2, x3);
        a1 = madd(a1, weight(block, r1, k), x0, x1, x2, x3);
        a2 = madd(a2, weight(block, r2, k), x0, x1, x2, x3);
        a3 = madd(a3, weight(block, r3, k), x0, x1, x2, x3);
        let z0 = x[linear_base + k * step];
        let z1 = x[linear_base + k1];
        let z2 = x[linear_base + k2];
        let z3 = x[linear_base + k3];
        b0 = madd(b0, weight(other, row + GR, k), z0, z1, z2, z3);
        b1 = madd(b1, weight(other, r1 + GR, k), z0, z1, z2, z3);
        b2 = madd(b2, weight(other, r2 + GR, k), z0, z1, z2, z3);
        b3 = madd(b3, weight(other, r3 + GR, k), z0, z1, z2, z3);
    }
    finish(block, row, t, a0, b0);
    finish(block, row + 1u, t, a1, b1);
    finish(block, row + 2u, t, a2, b2);
    finish(block, row + 3u, t, a3, b3);
}
