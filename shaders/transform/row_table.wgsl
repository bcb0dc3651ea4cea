// The batch's rows, for the passes of a long transform.
//
// rows (R).

@group(0) @binding(3) var<storage, read> rows: array<Row>;
