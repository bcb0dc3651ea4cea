// The rows of a dispatch that takes some of the batch's rows; where a transform takes TOGETHER of
// them, such a task counts as one row.

override TOGETHER: u32 = 1u;

fn row_count() -> u32 {
    return min((sizes.rows - sizes.first_row + TOGETHER - 1u) / TOGETHER, ROWS);
}

// The first task of the dispatch.
fn first_task() -> u32 {
    return sizes.first_row / TOGETHER;
}
