// Which coefficients of transforms in bit-reversed order mirror one another: frequencies f and -f.
//
// A block of BLOCK points holds one transform of N points or two. Its BLOCK / 2 pairs are counted
// so that both members walk along the block: in place of a frequency, spectra are stored by pair.

override BLOCK: u32 = 32u;

// The i-th pair. `own`: the first transform's frequency 0 is the signal's, so that this transform
// is its own mirror (and so is the second one, if there is one). Its pair 0 is no pair: the
// coefficients at frequencies 0 and L, which are their own mirrors.
fn mirrored(i: u32, own: bool) -> vec2<u32> {
    if !own {
        return vec2<u32>(i, BLOCK - 1u - i);
    }
    if i >= N / 2u {
        return vec2<u32>(i + N / 2u, BLOCK - 1u - (i - N / 2u));
    }
    if i == 0u {
        return vec2<u32>(0u, 1u);
    }
    // Reversed bits of m and N - m agree in the highest set bit and differ in all below it.
    let bit = 1u << firstLeadingBit(i);
    return vec2<u32>(i + bit, (i + bit) ^ (2u * bit - 1u));
}
