// The second pass is the last one where spectra are made.
//
// out (CHANNELS, 1 or 2, L) pairs, in the order in which they are read in that pass.

override PAIR: bool = true;
override SPECTRA: u32 = 2u;     // 2 if PAIR

const BACK: bool = false;

@group(0) @binding(3) var<storage, read_write> out: array<vec2<f32>>;
