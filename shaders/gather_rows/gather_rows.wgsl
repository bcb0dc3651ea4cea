// out[i] = x[picks[i]]: the first token of each row, or the asked positions.
//
// x (H, LDX), picks (R or Q), out (H, LD). Grid: picks / 8 by H / 8.

override H: u32 = 64u;
override LDX: u32 = 64u;
override LD: u32 = 64u;
override LEAD: u32 = 1u;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> picks: array<u32>;
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
    let i = (g % columns) * 8u + local.x;
    let h = (g / columns) * 8u + local.y;
    if i >= count || h >= H {
        return;
    }
    // An empty last row starts past the last token.
    out[h * LD + i] = x[h * LDX + min(picks[i], LDX - 1u)];
}
