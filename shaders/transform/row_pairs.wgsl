// Rows of the scratch matrix of a long transform beside the rows that mirror them, SIZE / BLOCK
// such pairs a workgroup: pair j is rows of frequencies a = j and -j (half 0) or -1 - j (half 1),
// mod N1; the pair 0 of half 0 is the two rows that are their own mirrors, a = 0 and N1 / 2.

override LOG1: u32 = 5u;        // log2 N1, L = N1 N, BLOCK = 2 N

// Where point i of a workgroup lies, from its half's start on; `part`: which workgroup of the half.
fn point(part: u32, half: u32, i: u32) -> u32 {
    let j = part * (SIZE / BLOCK) + i / BLOCK;
    var a = j;
    if i / N % 2u == 1u {
        a = L / N - half - j;
        if half == 0u && j == 0u {
            a = L / N / 2u;
        }
    }
    return (reverseBits(a) >> (32u - LOG1)) * N + i % N;
}
