// The signals of a long transform: what `load` gives for a task.

fn value(channel: u32, row: u32, half: u32, n: u32) -> vec2<f32> {
    return load(task_at(first_task() + row), n, sizes.first_channel + channel);
}
