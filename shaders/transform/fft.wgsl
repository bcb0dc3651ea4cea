// Complex transforms of N points in workgroup memory, N a power of two, several at once: INNER of
// them lie interleaved, and such blocks of N INNER points lie end to end.
//
// Decimation in frequency takes natural order to bit-reversed order, decimation in time takes it
// back, so nothing is ever reordered. Two radix-2 stages go at once; SIZE / 4 invocations are
// enough.
//
// roots: the first ROOTS of the 2 ROOTS-th roots of unity, exp(-i pi n / ROOTS), made in f64.

override SIZE: u32 = 32u;       // points of all transforms
override N: u32 = 32u;
override LOG: u32 = 5u;         // log2 N
override INNER: u32 = 1u;
override ROOTS: u32 = 32u;      // at least N / 2
override THREADS: u32 = 8u;     // a power of two, SIZE / THREADS is whole

@group(0) @binding(1) var<storage, read> roots: array<vec2<f32>>;

var<workgroup> z: array<vec2<f32>, SIZE>;

fn cmul(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

// a conj(b)
fn cmulc(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(a.x * b.x + a.y * b.y, a.y * b.x - a.x * b.y);
}

// Where the coefficient of frequency m lies, and the frequency that lies at m.
fn place(m: u32) -> u32 {
    return reverseBits(m) >> (32u - LOG);
}

// Where the first point of the i-th group of 2 or 4 points lies: they are q points of a transform
// apart, `wide` = 2 q or 4 q.
fn group_at(i: u32, q: u32, wide: u32) -> u32 {
    let b = i / INNER;
    return (b / q * wide + b % q) * INNER + i % INNER;
}

fn radix2(lane: u32) {
    for (var i = lane; i < SIZE / 2u; i += THREADS) {
        let at = group_at(i, 1u, 2u);
        let x0 = z[at];
        let x1 = z[at + INNER];
        z[at] = x0 + x1;
        z[at + INNER] = x0 - x1;
    }
    workgroupBarrier();
}

fn forward(lane: u32) {
    for (var q = N / 4u; q >= 1u; q = q / 4u) {
        for (var i = lane; i < SIZE / 4u; i += THREADS) {
            let at = group_at(i, q, 4u * q);
            let s = q * INNER;
            let w1 = roots[i / INNER % q * (ROOTS / (2u * q))];
            let w2 = cmul(w1, w1);
            let x0 = z[at];
            let x1 = z[at + s];
            let x2 = z[at + 2u * s];
            let x3 = z[at + 3u * s];
            let d = x1 - x3;
            let a0 = x0 + x2;
            let a1 = x1 + x3;
            let a2 = cmul(x0 - x2, w1);
            let a3 = cmul(vec2<f32>(d.y, -d.x), w1);
            z[at] = a0 + a1;
            z[at + s] = cmul(a0 - a1, w2);
            z[at + 2u * s] = a2 + a3;
            z[at + 3u * s] = cmul(a2 - a3, w2);
        }
        workgroupBarrier();
    }
    if LOG % 2u == 1u {
        radix2(lane);
    }
}

// N times the inverse.
fn inverse(lane: u32) {
    var q = 1u;
    if LOG % 2u == 1u {
        radix2(lane);
        q = 2u;
    }
    for (; q < N; q = q * 4u) {
        for (var i = lane; i < SIZE / 4u; i += THREADS) {
            let at = group_at(i, q, 4u * q);
            let s = q * INNER;
            let w1 = roots[i / INNER % q * (ROOTS / (2u * q))];
            let w2 = cmul(w1, w1);
            let y0 = z[at];
            let y1 = cmulc(z[at + s], w2);
            let y2 = z[at + 2u * s];
            let y3 = cmulc(z[at + 3u * s], w2);
            let a0 = y0 + y1;
            let a1 = y0 - y1;
            let a2 = cmulc(y2 + y3, w1);
            let a3 = cmulc(y2 - y3, w1);
            z[at] = a0 + a2;
            z[at + s] = a1 + vec2<f32>(-a3.y, a3.x);
            z[at + 2u * s] = a0 - a2;
            z[at + 3u * s] = a1 - vec2<f32>(-a3.y, a3.x);
        }
        workgroupBarrier();
    }
}
