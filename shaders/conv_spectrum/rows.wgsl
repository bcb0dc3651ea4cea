// Second and last pass of long kernels' transforms: transforms along rows, then spectra in the
// order in which transform/rows.wgsl reads them.
//
// out (CHANNELS, 1 or 2, L) pairs. Grid: L / SIZE by halves by CHANNELS.

override PAIR: bool = true;

@group(0) @binding(3) var<storage, read_write> out: array<vec2<f32>>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let parts = L / SIZE;
    let g = unit(group, groups);
    let part = g % parts;
    let half = g / parts % 2u;
    let channel = g / (2u * parts);
    if channel >= CHANNELS {
        return;
    }
    let base = matrix(channel, 0u, half);
    for (var i = lane; i < SIZE; i += THREADS) {
        z[i] = scratch[base + point(part, half, i)];
    }
    workgroupBarrier();
    forward(lane);
    let first = channel * L * select(1u, 2u, PAIR) + half * (L / 2u) + part * (SIZE / 2u);
    for (var i = lane; i < SIZE / 2u; i += THREADS) {
        let own = half == 0u && part == 0u && i < BLOCK / 2u;
        let at = mirrored(i % (BLOCK / 2u), own) + i / (BLOCK / 2u) * BLOCK;
        keep(first + i, at, own && i == 0u);
    }
}
