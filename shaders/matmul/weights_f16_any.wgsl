// Weights stored as pairs of half precision, one at a time.

@group(0) @binding(2) var<storage, read> w: array<u32>;

fn one(at: u32) -> f32 {
    let v = unpack2x16float(w[at / 2u]);
    return select(v.x, v.y, at % 2u == 1u);
}
