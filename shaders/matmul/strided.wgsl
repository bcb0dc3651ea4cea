// y[m, n] = epilogue(sum over k of x[m, k] w[n, k]): any orientation, any strides, any number of
// blocks; for shapes that the tiled kernels do not take (operands that are weights, products
// summed over tokens, gates of an odd number of blocks).
//
// Version 0: one result per invocation.
//
// x element m XM + k XK, w element block BW + row WN + k WK, bias (N), residual and y element
// m YM + n YN. Grid: m / 8 by n / 8.

override M: u32 = 0u;           // used if LEAD > 3
override LEAD: u32 = 0u;
override N: u32 = 64u;          // results of the product's width, halved by a gate
override Q: u32 = 64u;          // rows of a block
override P: u32 = 64u;          // inputs of a block, if KLEAD > 3
override KLEAD: u32 = 4u;
override XM: u32 = 1u;
override XK: u32 = 1u;
override BW: u32 = 0u;
override WN: u32 = 1u;
override WK: u32 = 1u;
override YM: u32 = 1u;
override YN: u32 = 1u;
override BIAS: bool = false;
override ACTIVATION: u32 = 0u;
override GLU: bool = false;
override RESIDUAL: bool = false;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

fn size(axis: u32, constant: u32) -> u32 {
    if axis > 3u {
        return constant;
    }
    return lead(axis);
}

fn product(m: u32, n: u32, count: u32) -> f32 {
    let block = n / Q;
    let from_x = m * XM + block * P * XK;
    let from_w = block * BW + (n % Q) * WN;
    var sum = 0.0;
    for (var k = 0u; k < count; k += 1u) {
        sum += x[from_x + k * XK] * w[from_w + k * WK];
    }
    if BIAS {
        sum += bias[n];
    }
    return sum;
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let size_m = size(LEAD, M);
    let columns = (size_m + 7u) / 8u;
    let g = unit(group, groups);
    let m = (g % columns) * 8u + local.x;
    let n = (g / columns) * 8u + local.y;
    if m >= size_m || n >= N {
        return;
    }
    let count = size(KLEAD, P);
    var v = activate(ACTIVATION, vec4<f32>(product(m, n, count))).x;
    if GLU {
        v *= product(m, n + N, count);
    }
    let at = m * YM + n * YN;
    if RESIDUAL {
        v += residual[at];
    }
    y[at] = v;
}
