// By which powers of two the signals of a (channel, row) are balanced, from the parts' peaks.

fn top_of(channel: u32, row: u32) -> vec2<f32> {
    let first = peaks(channel, row);
    var top = scratch[first];
    for (var i = 1u; i < PARTS; i += 1u) {
        top = max(top, scratch[first + i]);
    }
    return top;
}

fn scale(channel: u32, row: u32) -> vec2<f32> {
    if !PAIR {
        return vec2<f32>(1.0);
    }
    return vec2<f32>(power(balance(top_of(channel, row))), 1.0);
}

fn undo(channel: u32, row: u32) -> vec2<f32> {
    if !PAIR {
        return vec2<f32>(1.0);
    }
    return restored(top_of(channel, row));
}
