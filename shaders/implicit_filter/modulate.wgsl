// k[h, n] = (sum over o of w[h, o] x[o, n]) exp(-t[n] |deltas[h]|): the last layer of the network
// that makes long-convolution kernels; zeros past its last position.
//
// x (O, LDX), w (H, O), t (COUNT), deltas (H), k (H, LD). Grid: SPAN / 64 by H.

override COUNT: u32 = 64u;      // positions that the network knows
override SPAN: u32 = 64u;
override O: u32 = 16u;
override H: u32 = 64u;
override LDX: u32 = 64u;
override LD: u32 = 64u;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> t: array<f32>;
@group(0) @binding(4) var<storage, read> deltas: array<f32>;
@group(0) @binding(5) var<storage, read_write> k: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let columns = (SPAN + 63u) / 64u;
    let g = unit(group, groups);
    let n = (g % columns) * 64u + local.x;
    let h = g / columns;
    if n >= SPAN || h >= H {
        return;
    }
    var v = 0.0;
    if n < COUNT {
        for (var o = 0u; o < O; o += 1u) {
            v += w[h * O + o] * x[o * LDX + n];
        }
        v *= exp1(-t[n] * abs(deltas[h]));
    }
    k[h * LD + n] = v;
}
