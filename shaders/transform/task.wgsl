// What a transform of transform/convolve.wgsl or of the passes takes: one row of the batch, with
// both signals of the op.

alias Task = Row;

// The i-th task.
fn task_at(i: u32) -> Task {
    return rows[i];
}
