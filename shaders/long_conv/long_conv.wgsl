// out = conv(x), one long convolution along each row.
//
// A task of a transform is two neighbouring rows a and b of the table, as z = a + i b: the kernel
// is real, so the convolution of z is that of a plus i times that of b. The last row of an odd
// number of rows is alone.
//
// x, out (CHANNELS, LD).

override LD: u32 = 64u;

@group(0) @binding(4) var<storage, read> x: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

struct Task {
    a: Row,
    b: Row,
}

fn task_at(i: u32) -> Task {
    var task: Task;
    task.a = rows[2u * i];
    if 2u * i + 1u < sizes.rows {
        task.b = rows[2u * i + 1u];
    }
    return task;
}

fn load(task: Task, n: u32, channel: u32) -> vec2<f32> {
    let base = (channel - sizes.first_channel) * LD + n;
    var v = vec2<f32>(0.0);
    if n < task.a.length {
        v.x = x[base + task.a.offset];
    }
    if n < task.b.length {
        v.y = x[base + task.b.offset];
    }
    return v;
}

fn store_row(row: Row, n: u32, channel: u32, y: f32) {
    if n < (row.length + 3u) / 4u * 4u {
        out[(channel - sizes.first_channel) * LD + row.offset + n] = select(0.0, y, n < row.length);
    }
}

fn store(task: Task, n: u32, channel: u32, y: vec2<f32>) {
    store_row(task.a, n, channel, y.x);
    store_row(task.b, n, channel, y.y);
}
