// The rows of a dispatch that takes some of the batch's rows.

fn row_count() -> u32 {
    return min(sizes.rows - sizes.first_row, ROWS);
}
