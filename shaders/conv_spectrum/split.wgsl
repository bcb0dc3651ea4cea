// From the transform of k1 + i k2 to the spectra that transform/product.wgsl takes: K1 for one
// convolution, P and M = (K1 +- K2) / 2 for a pair, all times 1 / (2 L). Where the product takes
// real kernels, a pair of numbers holds those at frequencies 0 and L.

// Stores what the coefficients z[at] say.
fn couple(slot: u32, at: vec2<u32>, real: bool) {
    let a = z[at.x];
    let b = z[at.y];
    var one = a;
    var two = vec2<f32>(0.0);
    if real {
        one = vec2<f32>(a.x, b.x);
        two = vec2<f32>(a.y, b.y);
    } else if PAIR {
        // The transforms of real signals are conjugate to their own mirrors.
        one = 0.5 * vec2<f32>(a.x + b.x, a.y - b.y);
        two = 0.5 * vec2<f32>(a.y + b.y, b.x - a.x);
    }
    one *= 1.0 / f32(2u * L);
    two *= 1.0 / f32(2u * L);
    if PAIR {
        out[slot] = 0.5 * (one + two);
        out[slot + L] = 0.5 * (one - two);
    } else {
        out[slot] = one;
    }
}
