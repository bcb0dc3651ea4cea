// The signals of a task: an op's (a, u), zero past the row's end.
//
// The kernel that includes this has `signal(t, n, channel)`, which gives (a, u) of token t = row
// offset + n.

fn load(task: Task, n: u32, channel: u32) -> vec2<f32> {
    if n < task.length {
        return signal(task.offset + n, n, channel);
    }
    return vec2<f32>(0.0);
}
