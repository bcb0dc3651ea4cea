// The product with a spectrum, W(f) = Z(f) P(f) + conj Z(-f) M(f); for one convolution P = K1 and
// M = 0.
//
// spectrum (CHANNELS, SPECTRA, L) pairs as conv_spectrum/split.wgsl writes them.

override SPECTRA: u32 = 2u;     // P and M, or K1 alone

// Multiplies the coefficients z[at] by what the spectrum holds for them.
fn couple(slot: u32, at: vec2<u32>, real: bool) {
    let a = z[at.x];
    let b = z[at.y];
    let p = spectrum[slot];
    var m = vec2<f32>(0.0);
    if SPECTRA == 2u {
        m = spectrum[slot + L];
    }
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
