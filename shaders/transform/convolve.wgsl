// One or two real convolutions of one (task, channel) as one complex one, z = a + i u, with
// W(f) = Z(f) P(f) + conj Z(-f) M(f) and P, M = (K1 +- K2) / 2; for one kernel P = K1, M = 0.
//
// The zero-padded transform of 2L points is two of L points: even frequencies are the transform
// of z, odd ones that of z[n] w^n, w the 2L-th root; each takes only L values of workgroup memory.
//
// The kernel that includes this has `task_at(i)`, a row or two; `load(task, n, channel)`, which
// gives (a, u) at position n, zero past the end; and `store(task, n, channel, y)`, which stores y =
// (conv1 a, conv2 u) where there are such tokens.
//
// rows (R), spectrum by product.wgsl. Constant of the text: HELD, points of an invocation at most.
// Grid: tasks by CHANNELS.

override L: u32 = 32u;          // equals N
override CHANNELS: u32 = 64u;   // from the dispatch's first channel on
override TOGETHER: u32 = 1u;    // rows of a task

@group(0) @binding(2) var<storage, read> spectrum: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> rows: array<Row>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let g = unit(group, groups);
    let tasks = (sizes.rows + TOGETHER - 1u) / TOGETHER;
    let part = g / tasks;
    if part >= CHANNELS {
        return;
    }
    let channel = sizes.first_channel + part;
    let task = task_at(g % tasks);
    var signals: array<vec2<f32>, HELD>;
    var sums: array<vec2<f32>, HELD>;
    var peak = vec2<f32>(0.0);
    for (var i = 0u; i < N / THREADS; i += 1u) {
        let n = i * THREADS + lane;
        let v = load(task, n, channel);
        signals[i] = v;
        sums[i] = vec2<f32>(0.0);
        peak = max(peak, abs(v));
    }
    var scale = vec2<f32>(1.0);
    var undo = vec2<f32>(1.0);
    if PAIR {
        let top = largest(lane, peak);
        scale.x = power(balance(top));
        undo = restored(top);
    }
    let base = part * N * SPECTRA;
    for (var half = 0u; half < 2u; half += 1u) {
        for (var i = 0u; i < N / THREADS; i += 1u) {
            let n = i * THREADS + lane;
            var v = signals[i] * scale;
            if half == 1u {
                v = cmul(v, roots[n]);
            }
            z[n] = v;
        }
        workgroupBarrier();
        forward(lane);
        for (var j = lane; j < N / 2u; j += THREADS) {
            let own = half == 0u;
            couple(base + half * (N / 2u) + j, mirrored(j, own), own && j == 0u);
        }
        workgroupBarrier();
        inverse(lane);
        for (var i = 0u; i < N / THREADS; i += 1u) {
            let n = i * THREADS + lane;
            var v = z[n];
            if half == 1u {
                v = cmulc(v, roots[n]);
            }
            sums[i] += v;
        }
    }
    for (var i = 0u; i < N / THREADS; i += 1u) {
        let n = i * THREADS + lane;
        store(task, n, channel, sums[i] * undo);
    }
}
