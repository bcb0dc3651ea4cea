// Complex transforms of L points in workgroup memory, L a power of two from 4 on.
//
// Decimation in frequency takes natural order to bit-reversed order, decimation in time takes it
// back, so nothing is ever reordered. Two radix-2 stages go at once; L / 4 invocations are enough.
//
// roots (L): the first L of the 2L-th roots of unity, exp(-i pi n / L), made in f64.

override L: u32 = 32u;
override LOG: u32 = 5u;         // log2 L
override THREADS: u32 = 8u;

@group(0) @binding(1) var<storage, read> roots: array<vec2<f32>>;

var<workgroup> z: array<vec2<f32>, L>;

fn cmul(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

// a conj(b)
fn cmulc(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(a.x * b.x + a.y * b.y, a.y * b.x - a.x * b.y);
}

// Where the coefficient of frequency m lies.
fn place(m: u32) -> u32 {
    return reverseBits(m) >> (32u - LOG);
}

fn forward(lane: u32) {
    var q = L / 4u;
    for (; q >= 1u; q = q / 4u) {
        for (var i = lane; i < L / 4u; i += THREADS) {
            let k = i % q;
            let at = i / q * (4u * q) + k;
            let w1 = roots[k * (L / (2u * q))];
            let w2 = cmul(w1, w1);
            let x0 = z[at];
            let x1 = z[at + q];
            let x2 = z[at + 2u * q];
            let x3 = z[at + 3u * q];
            let d = x1 - x3;
            let a0 = x0 + x2;
            let a1 = x1 + x3;
            let a2 = cmul(x0 - x2, w1);
            let a3 = cmul(vec2<f32>(d.y, -d.x), w1);
            z[at] = a0 + a1;
            z[at + q] = cmul(a0 - a1, w2);
            z[at + 2u * q] = a2 + a3;
            z[at + 3u * q] = cmul(a2 - a3, w2);
        }
        workgroupBarrier();
    }
    if LOG % 2u == 1u {
        for (var i = lane; i < L / 2u; i += THREADS) {
            let x0 = z[2u * i];
            let x1 = z[2u * i + 1u];
            z[2u * i] = x0 + x1;
            z[2u * i + 1u] = x0 - x1;
        }
        workgroupBarrier();
    }
}

// L times the inverse.
fn inverse(lane: u32) {
    var q = 1u;
    if LOG % 2u == 1u {
        for (var i = lane; i < L / 2u; i += THREADS) {
            let x0 = z[2u * i];
            let x1 = z[2u * i + 1u];
            z[2u * i] = x0 + x1;
            z[2u * i + 1u] = x0 - x1;
        }
        workgroupBarrier();
        q = 2u;
    }
    for (; q < L; q = q * 4u) {
        for (var i = lane; i < L / 4u; i += THREADS) {
            let k = i % q;
            let at = i / q * (4u * q) + k;
            let w1 = roots[k * (L / (2u * q))];
            let w2 = cmul(w1, w1);
            let y0 = z[at];
            let y1 = cmulc(z[at + q], w2);
            let y2 = z[at + 2u * q];
            let y3 = cmulc(z[at + 3u * q], w2);
            let a0 = y0 + y1;
            let a1 = y0 - y1;
            let a2 = cmulc(y2 + y3, w1);
            let a3 = cmulc(y2 - y3, w1);
            z[at] = a0 + a2;
            z[at + q] = a1 + vec2<f32>(-a3.y, a3.x);
            z[at + 2u * q] = a0 - a2;
            z[at + 3u * q] = a1 - vec2<f32>(-a3.y, a3.x);
        }
        workgroupBarrier();
    }
}
