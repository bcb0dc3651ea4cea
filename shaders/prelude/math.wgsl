// Functions whose accuracy WGSL leaves to the driver, as polynomials: the same on every device,
// and the same formulas as the CPU engine's.

// e^x by x = n ln 2 + r and Cephes' polynomial in r: 1e-7 relative; 0 below -87, no infinity.
fn exp4(v: vec4<f32>) -> vec4<f32> {
    let x = clamp(v, vec4<f32>(-88.0), vec4<f32>(88.0));
    let n = round(x * 1.442695041);
    let r = (x - n * 0.693359375) + n * 2.1219444e-4;
    let p = ((((1.98756915e-4 * r + 1.3981999507e-3) * r + 8.3334519073e-3) * r
        + 4.1665795894e-2) * r + 1.6666665459e-1) * r + 5.0000001201e-1;
    let e = (r * r * p + r) + 1.0;
    let power = vec4<u32>(vec4<i32>(max(n + 127.0, vec4<f32>(0.0)))) << vec4<u32>(23u);
    return e * bitcast<vec4<f32>>(power);
}

fn exp1(x: f32) -> f32 {
    return exp4(vec4<f32>(x)).x;
}

// erf x = x P(x^2) / Q(x^2) for |x| < 3.92, sign x beyond: 1e-7 absolute
// (Eigen/src/Core/MathFunctionsImpl.h).
fn erf4(x: vec4<f32>) -> vec4<f32> {
    let s = min(x * x, vec4<f32>(16.0));
    let p = ((((((-2.72614225801306e-10 * s + 2.77068142495902e-8) * s - 2.10102402082508e-6) * s
        - 5.69250639462346e-5) * s - 7.34990630326855e-4) * s - 2.95459980854025e-3) * s
        - 1.60960333262415e-2);
    let q = (((-1.45660718464996e-5 * s - 2.13374055278905e-4) * s - 1.68282697438203e-3) * s
        - 7.37332916720468e-3) * s - 1.42647390514189e-2;
    // A plain sign where x is large, or x (1 + erf x) would not vanish for a large negative x.
    return select(x * p / q, sign(x), abs(x) > vec4<f32>(3.92));
}

// Exact GELU: x/2 (1 + erf(x/sqrt 2)).
fn gelu4(x: vec4<f32>) -> vec4<f32> {
    return 0.5 * x * (1.0 + erf4(x * 0.7071067811865476));
}

// tanh x = x P(x^2) / Q(x^2) for |x| < 7.9, sign x beyond (same source).
fn tanh4(x: vec4<f32>) -> vec4<f32> {
    let s = min(x * x, vec4<f32>(64.0));
    let p = (((((-2.76076847742355e-16 * s + 2.00018790482477e-13) * s - 8.60467152213735e-11) * s
        + 5.12229709037114e-8) * s + 1.48572235717979e-5) * s + 6.37261928875436e-4) * s
        + 4.89352455891786e-3;
    let q = ((1.19825839466702e-6 * s + 1.18534705686654e-4) * s + 2.26843463243900e-3) * s
        + 4.89352518554385e-3;
    return select(x * p / q, sign(x), abs(x) > vec4<f32>(7.905));
}

fn sigmoid4(x: vec4<f32>) -> vec4<f32> {
    return 0.5 * (1.0 + tanh4(0.5 * x));
}

// sin x = (-1)^n sin(x - n pi), pi in three parts; 1.3e-7 absolute for |x| < 20000. Never the
// built-in sine, which may be wrong by 5e-4.
fn sine1(x: f32) -> f32 {
    let n = round(x * 0.3183098861837907);
    let r = fma(n, -1.50995803e-7, fma(n, -0.000967502594, fma(n, -3.140625, x)));
    let s = r * r;
    let c = -0.166666597 + s * (0.00833308417 + s * (-0.000198108712 + s * 2.608454e-6));
    let value = r + r * s * c;
    return select(value, -value, (i32(n) & 1) == 1);
}

// 0: the identity, 1: GELU, 2: tanh.
fn activate(kind: u32, v: vec4<f32>) -> vec4<f32> {
    switch kind {
        case 1u: { return gelu4(v); }
        case 2u: { return tanh4(v); }
        default: { return v; }
    }
}
