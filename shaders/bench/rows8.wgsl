// y = W x: what the family of products is measured against, not part of it. The best kernel of a
// first survey on software adapters: 8 rows x 4 columns of registers an invocation, no workgroup
// memory, no epilogue. It takes rows in eights and inputs in fours.
//
// x (NB P, LD), w (NB, Q, P), y (NB Q, LD). Grid: columns / 32 by rows / 64.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

fn madd(sum: vec4<f32>, at: u32, x0: vec4<f32>, x1: vec4<f32>, x2: vec4<f32>, x3: vec4<f32>) -> vec4<f32> {
    let m = w[at];
    return sum + m.x * x0 + m.y * x1 + m.z * x2 + m.w * x3;
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let count = lead(LEAD);
    let strips = (count + 31u) / 32u;
    let g = unit(group, groups);
    let t = g % strips * 8u + local.x;
    let row = (g / strips * 8u + local.y) * 8u;
    if row >= NB * Q || t * 4u >= count {
        return;
    }
    let step = LD / 4u;
    let from_x = row / Q * P * step + t;
    let from_w = row * P / 4u;
    let by = P / 4u;
    var s0 = vec4<f32>(0.0);
    var s1 = vec4<f32>(0.0);
    var s2 = vec4<f32>(0.0);
    var s3 = vec4<f32>(0.0);
    var s4 = vec4<f32>(0.0);
    var s5 = vec4<f32>(0.0);
    var s6 = vec4<f32>(0.0);
    var s7 = vec4<f32>(0.0);
    for (var k = 0u; k < by; k += 1u) {
        let at = from_x + 4u * k * step;
        let x0 = x[at];
        let x1 = x[at + step];
        let x2 = x[at + 2u * step];
        let x3 = x[at + 3u * step];
        s0 = madd(s0, from_w + k, x0, x1, x2, x3);
        s1 = madd(s1, from_w + by + k, x0, x1, x2, x3);
        s2 = madd(s2, from_w + 2u * by + k, x0, x1, x2, x3);
        s3 = madd(s3, from_w + 3u * by + k, x0, x1, x2, x3);
        s4 = madd(s4, from_w + 4u * by + k, x0, x1, x2, x3);
        s5 = madd(s5, from_w + 5u * by + k, x0, x1, x2, x3);
        s6 = madd(s6, from_w + 6u * by + k, x0, x1, x2, x3);
        s7 = madd(s7, from_w + 7u * by + k, x0, x1, x2, x3);
    }
    let to = row * step + t;
    y[to] = s0;
    y[to + step] = s1;
    y[to + 2u * step] = s2;
    y[to + 3u * step] = s3;
    y[to + 4u * step] = s4;
    y[to + 5u * step] = s5;
    y[to + 6u * step] = s6;
    y[to + 7u * step] = s7;
}
