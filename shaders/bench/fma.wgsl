// As many multiply-adds as the device does in registers: the ceiling that kernels are measured
// against. Eight vec4 sums an invocation, STEPS times; only the result's existence matters.
//
// y (invocations). Grid: invocations / 64.

override STEPS: u32 = 256u;

@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let at = unit(group, groups) * 64u + local.x;
    // From the buffer, so that no compiler knows it.
    let start = y[at];
    let scale = vec4<f32>(0.999 + start);
    let shift = vec4<f32>(0.001 + start);
    var s0 = vec4<f32>(start);
    var s1 = s0 + 1.0;
    var s2 = s0 + 2.0;
    var s3 = s0 + 3.0;
    var s4 = s0 + 4.0;
    var s5 = s0 + 5.0;
    var s6 = s0 + 6.0;
    var s7 = s0 + 7.0;
    for (var i = 0u; i < STEPS; i += 1u) {
        s0 = s0 * scale + shift;
        s1 = s1 * scale + shift;
        s2 = s2 * scale + shift;
        s3 = s3 * scale + shift;
        s4 = s4 * scale + shift;
        s5 = s5 * scale + shift;
        s6 = s6 * scale + shift;
        s7 = s7 * scale + shift;
    }
    let sum = s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7;
    // Zero again, which no compiler can prove.
    y[at] = min(sum.x + sum.y + sum.z + sum.w, 0.0);
}
