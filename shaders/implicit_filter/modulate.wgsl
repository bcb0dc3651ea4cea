// k[h, n] = (sum over o of w[h, o] x[o, n]) exp(-t[n] |deltas[h]|): the last layer of the network
// that makes long-convolution kernels; zeros past its last position.
//
// Version 2: register tiles (tile.wgsl); one result per invocation was version 1.
//
// t (COUNT), deltas (H), k (OUTPUTS, LD).

override COUNT: u32 = 64u;      // positions that the network knows

@group(0) @binding(3) var<storage, read> t: array<f32>;
@group(0) @binding(4) var<storage, read> deltas: array<f32>;
@group(0) @binding(5) var<storage, read_write> k: array<vec4<f32>>;

fn keep(at: u32, h: u32, sum: vec4<f32>) {
    if h >= OUTPUTS {
        return;
    }
    let n = vec4<u32>(0u, 1u, 2u, 3u) + 4u * at;
    let m = min(n, vec4<u32>(COUNT - 1u));
    let time = vec4<f32>(t[m.x], t[m.y], t[m.z], t[m.w]);
    let v = sum * exp4(-time * abs(deltas[sizes.first_channel + h]));
    // A select, since nothing was computed past the last position.
    k[h * (LD / 4u) + at] = select(vec4<f32>(0.0), v, n < vec4<u32>(COUNT));
}
