// out[o, n] = sin(W_MOD freq[o] (sum over k of w[o, k] x[k, n] + b[o])): one hidden layer of the
// network that makes long-convolution kernels.
//
// Version 2: register tiles (tile.wgsl); one result per invocation was version 1.
//
// b, freq (OUTPUTS), out (OUTPUTS, LD).

override W_MOD: f32 = 1.0;

@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read> freq: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4<f32>>;

fn keep(at: u32, o: u32, sum: vec4<f32>) {
    if o < OUTPUTS {
        let v = W_MOD * freq[o] * (sum + b[o]);
        out[o * (LD / 4u) + at] = vec4<f32>(sine1(v.x), sine1(v.y), sine1(v.z), sine1(v.w));
    }
}
