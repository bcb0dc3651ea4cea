// Elements moved between two strided boxes of up to four axes, or zeros written: slices,
// concatenation, permutation, padding, and reshapes that are no view.
//
// Axis a has size Da, source stride Sa, result stride Ra. Grid: elements / 64.

override D0: u32 = 1u;
override D1: u32 = 1u;
override D2: u32 = 1u;
override D3: u32 = 1u;
override S0: u32 = 0u;
override S1: u32 = 0u;
override S2: u32 = 0u;
override S3: u32 = 0u;
override R0: u32 = 0u;
override R1: u32 = 0u;
override R2: u32 = 0u;
override R3: u32 = 0u;
override SOURCE: u32 = 0u;      // first element read
override RESULT: u32 = 0u;      // first element written
override ZERO: bool = false;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let i = unit(group, groups) * 64u + local.x;
    let i0 = i / (D1 * D2 * D3);
    if i0 >= D0 {
        return;
    }
    let i1 = i / (D2 * D3) % D1;
    let i2 = i / D3 % D2;
    let i3 = i % D3;
    var v = 0.0;
    if !ZERO {
        v = x[SOURCE + i0 * S0 + i1 * S1 + i2 * S2 + i3 * S3];
    }
    y[RESULT + i0 * R0 + i1 * R1 + i2 * R2 + i3 * R3] = v;
}
