// The exponent of the power of two by which a (channel, row) is balanced, from the parts' peaks.

fn exponent_of(channel: u32, row: u32) -> i32 {
    if !PAIR {
        return 0;
    }
    let first = peaks(channel, row);
    var top = scratch[first];
    for (var i = 1u; i < PARTS; i += 1u) {
        top = max(top, scratch[first + i]);
    }
    return balance(top);
}

fn scale(channel: u32, row: u32) -> vec2<f32> {
    return vec2<f32>(power(exponent_of(channel, row)), 1.0);
}
