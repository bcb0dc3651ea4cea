// Third pass of a long transform: the twiddle's conjugate, inverse transforms along INNER columns
// of N = N1 points, both halves added, and `store`.
//
// Grid: L / SIZE by rows by CHANNELS.

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tiles = L / SIZE;
    let g = unit(group, groups);
    let row = g / tiles % row_count();
    let channel = g / tiles / row_count();
    if channel >= CHANNELS {
        return;
    }
    let first = g % tiles * INNER;
    // SIZE / THREADS is at most 8.
    var sums: array<vec2<f32>, 8>;
    for (var half = 0u; half < 2u; half += 1u) {
        let base = matrix(channel, row, half);
        for (var i = lane; i < SIZE; i += THREADS) {
            let n2 = first + i % INNER;
            let at = base + i / INNER * (L / N) + n2;
            z[i] = cmulc(scratch[at], root(2u * place(i / INNER) * n2));
        }
        workgroupBarrier();
        inverse(lane);
        for (var j = 0u; j < SIZE / THREADS; j += 1u) {
            let i = j * THREADS + lane;
            if half == 0u {
                sums[j] = z[i];
            } else {
                sums[j] += cmulc(z[i], root(i / INNER * (L / N) + first + i % INNER));
            }
        }
    }
    let back = undo(channel, row);
    let task = task_at(first_task() + row);
    for (var j = 0u; j < SIZE / THREADS; j += 1u) {
        let i = j * THREADS + lane;
        let n = i / INNER * (L / N) + first + i % INNER;
        store(task, n, sizes.first_channel + channel, sums[j] * back);
    }
}
