// p (3 H, LD) in one binding.

@group(0) @binding(4) var<storage, read> p: array<f32>;

fn projected(c: u32, t: u32) -> f32 {
    return p[c * LD + t];
}
