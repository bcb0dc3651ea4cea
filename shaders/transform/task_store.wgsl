// The end of a task: an op's `finish` for the tokens of the row and the gap after it.
//
// The kernel that includes this has `finish(t, n, channel, inside, y)`, which stores y = (conv1 a,
// conv2 u) of token t = row offset + n.

fn store(task: Task, n: u32, channel: u32, y: vec2<f32>) {
    if n < (task.length + 3u) / 4u * 4u {
        finish(task.offset + n, n, channel, n < task.length, y);
    }
}
