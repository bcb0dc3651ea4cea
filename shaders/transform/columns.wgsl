// First pass of a long transform: `value(channel, row, half, n)`, balanced, times w^n for half 1,
// transformed along INNER neighbouring columns of N = N1 points, times the twiddle.
//
// Grid: L / SIZE by halves by rows by CHANNELS.

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tiles = L / SIZE;
    let g = unit(group, groups);
    let half = g / tiles % 2u;
    let row = g / (2u * tiles) % row_count();
    let channel = g / (2u * tiles) / row_count();
    if channel >= CHANNELS {
        return;
    }
    let first = g % tiles * INNER;
    let balanced = scale(channel, row);
    for (var i = lane; i < SIZE; i += THREADS) {
        let n = i / INNER * (L / N) + first + i % INNER;
        var v = value(channel, row, half, n) * balanced;
        if half == 1u {
            v = cmul(v, root(n));
        }
        z[i] = v;
    }
    workgroupBarrier();
    forward(lane);
    let base = matrix(channel, row, half);
    for (var i = lane; i < SIZE; i += THREADS) {
        let n2 = first + i % INNER;
        scratch[base + i / INNER * (L / N) + n2] = cmul(z[i], root(2u * place(i / INNER) * n2));
    }
}
