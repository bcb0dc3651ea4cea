// The kernels by lag, as transform/direct.wgsl reads them: lag d at L + d, zero at lag -L.
//
// out (H, 1 or 2, 2 L). Grid: H.

override L: u32 = 4096u;

@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
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
    for (var which = 0u; which < count; which += 1u) {
        let base = (channel * count + which) * 2u * L;
        for (var n = lane; n < L; n += 64u) {
            out[base + L + n] = ahead(which, channel, n);
            var b = 0.0;
            if n > 0u {
                b = back(which, channel, L - n);
            }
            out[base + n] = b;
        }
    }
}
