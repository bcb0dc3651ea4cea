// The power of two that brings the first of two signals to the second one's size: in a complex
// transform of both the smaller one would inherit the larger one's rounding.

override PAIR: bool = true;     // a transform has two signals

// The largest of all invocations' values; takes THREADS points of z.
fn largest(lane: u32, peak: vec2<f32>) -> vec2<f32> {
    z[lane] = peak;
    workgroupBarrier();
    for (var s = THREADS / 2u; s > 0u; s = s / 2u) {
        if lane < s {
            z[lane] = max(z[lane], z[lane + s]);
        }
        workgroupBarrier();
    }
    let top = z[0];
    workgroupBarrier();
    return top;
}

fn exponent(x: f32) -> i32 {
    return i32((bitcast<u32>(x) >> 23u) & 255u);
}

// The power's exponent, of the signals' largest absolute values.
fn balance(top: vec2<f32>) -> i32 {
    if top.x == 0.0 || top.y == 0.0 {
        return 0;
    }
    return clamp(exponent(top.y) - exponent(top.x), -60, 60);
}

fn power(e: i32) -> f32 {
    return bitcast<f32>(u32(127 + e) << 23u);
}

// What takes the balance back; a signal of zeros gets nothing of the other one's rounding.
fn restored(top: vec2<f32>) -> vec2<f32> {
    return select(vec2<f32>(power(-balance(top)), 1.0), vec2<f32>(0.0), top == vec2<f32>(0.0));
}
