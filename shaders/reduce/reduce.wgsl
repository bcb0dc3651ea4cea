// Sum, mean, maximum or sum of squares along one axis.
//
// x (OUTER, INNER, LANES), out (OUTER, LANES): for a tensor (T, .., N) the lanes are tokens.
// Grid: lanes / 64 by OUTER.

override INNER: u32 = 1u;       // used if INNER_LEAD > 3
override INNER_LEAD: u32 = 4u;
override LANES: u32 = 1u;
override LEAD: u32 = 4u;        // run-time size of the lanes; all of them if > 3
override OUTER: u32 = 1u;
override KIND: u32 = 0u;        // 0 sum, 1 mean, 2 maximum, 3 sum of squares

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

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
    var inner = INNER;
    if INNER_LEAD < 4u {
        inner = lead(INNER_LEAD);
    }
    let columns = (count + 63u) / 64u;
    let g = unit(group, groups);
    let lane = (g % columns) * 64u + local.x;
    let outer = g / columns;
    if lane >= count || outer >= OUTER {
        return;
    }
    let base = outer * INNER * LANES + lane;
    // Two partial sums halve the rounding of long axes; a maximum starts from the first element.
    var even = 0.0;
    var odd = 0.0;
    if KIND == 2u {
        even = x[base];
        odd = even;
    }
    for (var i = 0u; i < inner; i += 1u) {
        let v = x[base + i * LANES];
        let old = select(even, odd, (i & 1u) == 1u);
        var next = old + v;
        if KIND == 2u {
            next = max(old, v);
        } else if KIND == 3u {
            next = old + v * v;
        }
        if (i & 1u) == 1u {
            odd = next;
        } else {
            even = next;
        }
    }
    var result = even + odd;
    if KIND == 1u {
        result /= f32(max(inner, 1u));
    } else if KIND == 2u {
        result = max(even, odd);
    }
    out[outer * LANES + lane] = result;
}
