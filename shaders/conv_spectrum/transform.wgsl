// The spectra of long-convolution kernels, as transform/convolve.wgsl reads them.
//
// For each channel L pairs of numbers for one convolution (K1), 2 L for a pair (P, then M), all
// times 1 / (2 L): pair j < L/2 is frequency 2 j, except that pair 0 holds the real values at
// frequencies 0 and L; pair L/2 + j is frequency 2 j + 1. Mirror frequencies are conjugates.
//
// out (H, L or 2 L) pairs. Grid: H.

@group(0) @binding(8) var<storage, read_write> out: array<vec2<f32>>;

fn keep(which: u32, base: u32, slot: u32, value: vec2<f32>) {
    let v = value / f32(2u * L);
    if which == 0u {
        out[base + slot] = v;
        return;
    }
    // The invocation that stored K1 here turns both into P and M.
    let first = out[base + slot];
    out[base + slot] = 0.5 * (first + v);
    out[base + L + slot] = 0.5 * (first - v);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let channel = unit(group, groups);
    if channel >= H {
        return;
    }
    let count = select(1u, 2u, PAIR);
    let base = channel * L * count;
    for (var step = 0u; step < 2u * count; step += 1u) {
        let which = step / 2u;
        let half = step % 2u;
        for (var n = lane; n < L; n += THREADS) {
            let a = ahead(which, channel, n);
            var b = 0.0;
            if n > 0u {
                b = back(which, channel, L - n);
            }
            var v = vec2<f32>(a + b, 0.0);
            if half == 1u {
                v = (a - b) * roots[n];
            }
            z[n] = v;
        }
        workgroupBarrier();
        forward(lane);
        for (var j = lane; j < L / 2u; j += THREADS) {
            var v = z[place(j)];
            if half == 0u && j == 0u {
                v = vec2<f32>(z[0].x, z[1].x);
            }
            keep(which, base, half * (L / 2u) + j, v);
        }
        workgroupBarrier();
    }
}
