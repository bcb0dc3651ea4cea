// The product with a spectrum, W(f) = Z(f) P(f) + conj Z(-f) M(f), of one pair of coefficients.

fn multiply(at: vec2<u32>, real: bool, p: vec2<f32>, m: vec2<f32>) {
    let a = z[at.x];
    let b = z[at.y];
    if real {
        // Frequencies 0 and L are their own mirrors, their kernels are real.
        z[at.x] = a * vec2<f32>(p.x + m.x, p.x - m.x);
        z[at.y] = b * vec2<f32>(p.y + m.y, p.y - m.y);
    } else {
        z[at.x] = cmul(a, p) + cmulc(m, b);
        // conj(a) conj(M)
        let am = cmul(a, m);
        z[at.y] = cmulc(b, p) + vec2<f32>(am.x, -am.y);
    }
}
