// The spectra of long-convolution kernels by one workgroup a channel, as transform/convolve.wgsl
// reads them: for each channel L pairs of numbers for one convolution, 2 L for a pair of them, the
// even frequencies before the odd ones, in the order of transform/mirror.wgsl.
//
// kernels by kernels.wgsl, out (CHANNELS, 1 or 2, L) pairs. Grid: CHANNELS.

override L: u32 = 32u;          // equals N
override CHANNELS: u32 = 64u;   // from the dispatch's first channel on

@group(0) @binding(2) var<storage, read_write> out: array<vec2<f32>>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let channel = unit(group, groups);
    if channel >= CHANNELS {
        return;
    }
    let base = channel * L * select(1u, 2u, PAIR);
    for (var half = 0u; half < 2u; half += 1u) {
        for (var n = lane; n < L; n += THREADS) {
            var v = value(channel, 0u, half, n);
            if half == 1u {
                v = cmul(v, roots[n]);
            }
            z[n] = v;
        }
        workgroupBarrier();
        forward(lane);
        for (var j = lane; j < L / 2u; j += THREADS) {
            let own = half == 0u;
            couple(base + half * (L / 2u) + j, mirrored(j, own), own && j == 0u);
        }
        workgroupBarrier();
    }
}
