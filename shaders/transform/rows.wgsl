// Second pass of a long transform: transforms along rows, what `couple(slot, at, real)` does with
// mirrored coefficients, and if BACK inverse transforms, in place.
//
// Grid: L / SIZE by halves by rows by CHANNELS.

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
    let row = g / (2u * parts) % row_count();
    let channel = g / (2u * parts) / row_count();
    if channel >= CHANNELS {
        return;
    }
    let base = matrix(channel, row, half);
    for (var i = lane; i < SIZE; i += THREADS) {
        z[i] = scratch[base + point(part, half, i)];
    }
    workgroupBarrier();
    forward(lane);
    let first = channel * L * SPECTRA + half * (L / 2u) + part * (SIZE / 2u);
    for (var i = lane; i < SIZE / 2u; i += THREADS) {
        let own = half == 0u && part == 0u && i < BLOCK / 2u;
        let at = mirrored(i % (BLOCK / 2u), own) + i / (BLOCK / 2u) * BLOCK;
        couple(first + i, at, own && i == 0u);
    }
    if BACK {
        workgroupBarrier();
        inverse(lane);
        for (var i = lane; i < SIZE; i += THREADS) {
            scratch[base + point(part, half, i)] = z[i];
        }
    }
}
