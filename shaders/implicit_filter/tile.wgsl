// The layers of the network that makes long-convolution kernels, 8 outputs at 4 positions an
// invocation in registers: what is read once is used four and eight times, and all invocations of
// a workgroup read the same weights.
//
// `input(at, k)` gives input k at positions 4 at .. 4 at + 3, `keep(at, output, sum)` takes the sum
// over k of w[first output + output, k] input(at, k). w (all outputs, K). Grid: SPAN / 256 by
// OUTPUTS / 8.

override SPAN: u32 = 64u;       // positions that are written, rounded up to 4
override OUTPUTS: u32 = 16u;    // from the dispatch's first channel on
override K: u32 = 16u;
override LD: u32 = 64u;         // a multiple of 4

@group(0) @binding(2) var<storage, read> w: array<f32>;

// x times four outputs' weights: a column an output, a component a position.
fn outer(x: vec4<f32>, r: vec4<u32>, k: u32) -> mat4x4<f32> {
    return mat4x4<f32>(x * w[r.x + k], x * w[r.y + k], x * w[r.z + k], x * w[r.w + k]);
}

fn keep4(at: u32, output: u32, sums: mat4x4<f32>) {
    keep(at, output, sums[0]);
    keep(at, output + 1u, sums[1]);
    keep(at, output + 2u, sums[2]);
    keep(at, output + 3u, sums[3]);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let columns = (SPAN + 255u) / 256u;
    let g = unit(group, groups);
    let at = g % columns * 64u + lane;
    let output = g / columns * 8u;
    if at * 4u >= SPAN || output >= OUTPUTS {
        return;
    }
    let last = vec4<u32>(OUTPUTS - 1u);
    let r0 = (min(vec4<u32>(0u, 1u, 2u, 3u) + output, last) + sizes.first_channel) * K;
    let r1 = (min(vec4<u32>(4u, 5u, 6u, 7u) + output, last) + sizes.first_channel) * K;
    let zero = vec4<f32>(0.0);
    var low = mat4x4<f32>(zero, zero, zero, zero);
    var high = mat4x4<f32>(zero, zero, zero, zero);
    for (var k = 0u; k < K; k += 1u) {
        let x = input(at, k);
        low += outer(x, r0, k);
        high += outer(x, r1, k);
    }
    keep4(at, output, low);
    keep4(at, output + 4u, high);
}
