// y = (s - mean s) / sqrt(var s + EPS) w + b over the channels of a token, s = x [+ residual].
//
// Version 1: 4 tokens x 8 lanes by 8 slices of the channels; mean first, then the centred variance.
//
// x, residual, y (H, LD), w, b (H). Grid: tokens / 32.

override H: u32 = 64u;
override LD: u32 = 64u;
override LEAD: u32 = 0u;
override EPS: f32 = 1e-12;
override RESIDUAL: bool = false;

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;

var<workgroup> partial: array<vec4<f32>, 64>;

fn value(h: u32, t: u32) -> vec4<f32> {
    let at = h * (LD / 4u) + t;
    if RESIDUAL {
        return x[at] + residual[at];
    }
    return x[at];
}

fn total(local: vec3<u32>, mine: vec4<f32>) -> vec4<f32> {
    partial[local.y * 8u + local.x] = mine;
    workgroupBarrier();
    var sum = vec4<f32>(0.0);
    for (var i = 0u; i < 8u; i += 1u) {
        sum += partial[i * 8u + local.x];
    }
    workgroupBarrier();
    return sum;
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    // Lanes past the last token read inside the row of LD tokens and write nothing.
    let t = unit(group, groups) * 8u + local.x;
    let inside = t * 4u < lead(LEAD);
    var sum = vec4<f32>(0.0);
    if inside {
        for (var h = local.y; h < H; h += 8u) {
            sum += value(h, t);
        }
    }
    let mean = total(local, sum) / f32(H);
    var squares = vec4<f32>(0.0);
    if inside {
        for (var h = local.y; h < H; h += 8u) {
            let d = value(h, t) - mean;
            squares += d * d;
        }
    }
    let scale = 1.0 / sqrt(total(local, squares) / f32(H) + EPS);
    if inside {
        for (var h = local.y; h < H; h += 8u) {
            y[h * (LD / 4u) + t] = (value(h, t) - mean) * scale * w[h] + b[h];
        }
    }
}
