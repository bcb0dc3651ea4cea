// out[t] = table[ids[t]].
//
// table (V, H) row-major, ids (T), out (H, LD). Grid: tokens / 8 by H / 8.

override V: u32 = 1u;
override H: u32 = 64u;
override LD: u32 = 64u;
override LEAD: u32 = 0u;

@group(0) @binding(1) var<storage, read> table: array<f32>;
@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let count = lead(LEAD);
    let columns = (count + 7u) / 8u;
    let g = unit(group, groups);
    let t = (g % columns) * 8u + local.x;
    let h = (g / columns) * 8u + local.y;
    if t >= count || h >= H {
        return;
    }
    out[h * LD + t] = table[min(ids[t], V - 1u) * H + h];
}
