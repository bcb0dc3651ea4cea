// The signals of a long transform: an op's (a, u), zero past a row's end.

fn value(channel: u32, row: u32, half: u32, n: u32) -> vec2<f32> {
    let r = rows[sizes.first_row + row];
    if n < r.length {
        return signal(r.offset + n, n, sizes.first_channel + channel);
    }
    return vec2<f32>(0.0);
}
