// y = exp(x - max x) / sum exp(x - max x) along one axis; 0 where the axis is minus infinity
// everywhere.
//
// x, y (OUTER, INNER, LANES): for a tensor (T, .., N) the lanes are tokens.
// Grid: lanes / 64 by OUTER.

override INNER: u32 = 1u;
override LANES: u32 = 1u;
override LEAD: u32 = 4u;        // run-time size of the lanes; all of them if > 3
override OUTER: u32 = 1u;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

// The largest finite f32, negated: whatever is below it is minus infinity.
const LOWEST: f32 = -3.4028234e38;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    var count = LANES;
    if LEAD < 4u {
        count = lead(LEAD);
    }
    let columns = (count + 63u) / 64u;
    let g = unit(group, groups);
    let lane = (g % columns) * 64u + local.x;
    let outer = g / columns;
    if lane >= count || outer >= OUTER {
        return;
    }
    let base = outer * INNER * LANES + lane;
    var top = LOWEST;
    for (var i = 0u; i < INNER; i += 1u) {
        top = max(top, x[base + i * LANES]);
    }
    var sum = 0.0;
    for (var i = 0u; i < INNER; i += 1u) {
        let v = x[base + i * LANES];
        if v >= LOWEST {
            sum += exp1(v - top);
        }
    }
    for (var i = 0u; i < INNER; i += 1u) {
        let v = x[base + i * LANES];
        var p = 0.0;
        if v >= LOWEST {
            p = exp1(v - top) / sum;
        }
        y[base + i * LANES] = p;
    }
}
