// What the passes of a long transform share. A row of L points, n = n1 N2 + n2, is a matrix of N1
// rows: transforms along its columns (columns.wgsl), a twiddle, transforms along its rows and the
// product with the spectrum (rows.wgsl), and all of it back (finish.wgsl). Nothing is reordered:
// row p of the scratch matrix holds frequencies f = a mod N1, a being p with reversed bits.
//
// scratch: (CHANNELS, ROWS, 2 halves, L), then the largest values of each (channel, row) in PARTS
// parts. roots: the 2L / LOW = 2 ROOTS roots exp(-i pi n LOW / L), then LOW roots exp(-i pi n / L).

override L: u32 = 1024u;
override LOW: u32 = 32u;        // a power of two
override CHANNELS: u32 = 64u;   // from the dispatch's first channel on
override ROWS: u32 = 1u;        // tasks from the dispatch's first row on, at most
override PARTS: u32 = 1u;       // divides L

@group(0) @binding(2) var<storage, read_write> scratch: array<vec2<f32>>;

// exp(-i pi e / L), e < 2L
fn root(e: u32) -> vec2<f32> {
    return cmul(roots[e / LOW], roots[2u * ROOTS + e % LOW]);
}

// Where one half of a (channel, row) starts.
fn matrix(channel: u32, row: u32, half: u32) -> u32 {
    return ((channel * ROWS + row) * 2u + half) * L;
}

// Where the parts' largest values of a (channel, row) start.
fn peaks(channel: u32, row: u32) -> u32 {
    return CHANNELS * ROWS * 2u * L + (channel * ROWS + row) * PARTS;
}
