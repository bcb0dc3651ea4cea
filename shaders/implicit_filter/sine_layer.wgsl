// out[o, n] = sin(W_MOD freq[o] (sum over k of w[o, k] x[n, k] + b[o])): one hidden layer of the
// network that makes long-convolution kernels.
//
// x element n XN + k XK, w (O, K), b, freq (O), out (O, LD). Grid: positions / 64 by O.

override COUNT: u32 = 64u;      // positions
override K: u32 = 5u;
override XN: u32 = 5u;
override XK: u32 = 1u;
override O: u32 = 16u;
override LD: u32 = 64u;
override W_MOD: f32 = 1.0;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read> freq: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let columns = (COUNT + 63u) / 64u;
    let g = unit(group, groups);
    let n = (g % columns) * 64u + local.x;
    let o = g / columns;
    if n >= COUNT || o >= O {
        return;
    }
    var sum = 0.0;
    for (var k = 0u; k < K; k += 1u) {
        sum += w[o * K + k] * x[n * XN + k * XK];
    }
    out[o * LD + n] = sine1(W_MOD * freq[o] * (sum + b[o]));
}
