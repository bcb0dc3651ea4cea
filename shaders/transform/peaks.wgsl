// The largest absolute values of both signals in a part of a row, for transform/balance.wgsl.
//
// Grid: PARTS by rows by CHANNELS.

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let g = unit(group, groups);
    let part = g % PARTS;
    let row = g / PARTS % row_count();
    let channel = g / PARTS / row_count();
    if channel >= CHANNELS {
        return;
    }
    var peak = vec2<f32>(0.0);
    for (var i = lane; i < L / PARTS; i += THREADS) {
        peak = max(peak, abs(value(channel, row, 0u, part * (L / PARTS) + i)));
    }
    let top = largest(lane, peak);
    if lane == 0u {
        scratch[peaks(channel, row) + part] = top;
    }
}
