// y = W x with one result per invocation and no reuse at all: the bottom of the ladder, only for
// measuring.
//
// x (NB P, LD), w (NB, Q, P), y (NB Q, LD). Grid: columns / 16 by rows / 16.

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let count = lead(LEAD);
    let strips = (count + 15u) / 16u;
    let g = unit(group, groups);
    let t = g % strips * 16u + local.x;
    let row = g / strips * 16u + local.y;
    if row >= NB * Q || t >= count {
        return;
    }
    let from_x = row / Q * P * LD + t;
    var sum = 0.0;
    for (var k = 0u; k < P; k += 1u) {
        sum += x[from_x + k * LD] * w[row * P + k];
    }
    y[row * LD + t] = sum;
}
