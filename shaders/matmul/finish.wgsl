// Which rows and tokens of a product a tile is, and what happens to a result before it is stored:
// the part that every kernel of the family shares.
//
// A tile has two halves of rows. In a plain product they are neighbours; in a gated one (GLU) the
// second half holds the partners of the first, GB blocks and GR rows away, and
// y = activation(first) second + residual, so that the wide result never reaches memory.
//
// bias (Q a block), y (rows, YLD) row YB block + YI row, a residual by `added`. A sum that is cut into
// slices stores slice s at s SLICE, without an epilogue.

override HALF: u32 = 8u;        // rows of half a tile
override NB: u32 = 1u;          // blocks of results
override ROWS: u32 = 64u;       // results of a block
override Q: u32 = 64u;          // rows of a block of the weights; twice ROWS in a dense gate
override P: u32 = 64u;          // inputs of a block, if KLEAD > 3
override KLEAD: u32 = 4u;       // the axis that is summed over
override COLUMNS: u32 = 64u;    // columns of the result, if LEAD > 3
override LEAD: u32 = 0u;        // the axis of columns, tokens for example
override LD: u32 = 64u;
override YLD: u32 = 64u;        // LD of the result, which in slices may be narrower
override YB: u32 = 64u;
override YI: u32 = 1u;
override GLU: bool = false;
override GB: u32 = 0u;
override GR: u32 = 0u;
override BIAS: bool = false;
override ACTIVATION: u32 = 0u;
override SLICES: u32 = 1u;
override DEPTH: u32 = 64u;      // inputs of a slice
override SLICE: u32 = 0u;       // elements of y of a slice

@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;

struct Tile {
    block: u32,     // of the first half
    row: u32,       // its first row in the block
    other: u32,     // block of the second half
    partner: u32,   // its first row there
    slice: u32,
    begin: u32,     // first input
    end: u32,       // past the last input
}

fn columns() -> u32 {
    if LEAD > 3u {
        return COLUMNS;
    }
    return lead(LEAD);
}

fn depth() -> u32 {
    if KLEAD > 3u {
        return P;
    }
    return lead(KLEAD);
}

// Whether both halves read the same inputs.
fn shared_inputs() -> bool {
    return !GLU || GB == 0u;
}

// The n-th tile; past the last one, its slice is none.
fn place(n: u32) -> Tile {
    let span = select(2u * HALF, HALF, GLU);
    let tiles = (ROWS + span - 1u) / span;
    let slice = n / (NB * tiles);
    let block = n / tiles % NB;
    let row = n % tiles * span;
    let begin = slice * DEPTH;
    let end = min(begin + DEPTH, depth());
    if GLU {
        return Tile(block, row, block + GB, row + GR, slice, begin, end);
    }
    return Tile(block, row, block, row + HALF, slice, begin, end);
}

fn finish(at: u32, v: vec4<f32>) -> vec4<f32> {
    let sum = added(at, v);
    y[at] = sum;
    return sum;
}

fn biased(block: u32, row: u32, v: vec4<f32>) -> vec4<f32> {
    if BIAS {
        return v + bias[block * Q + row];
    }
    return v;
}

fn place_of(tile: Tile, row: u32, t: u32) -> u32 {
    return (tile.slice * SLICE + (tile.block * YB + row * YI) * YLD) / 4u + t;
}

// Whether a row or column lies past the result's. Even tiles need no check of rows, and columns
// that are an axis of the batch are as many as LD, a multiple of every tile: the checks that no
// tile needs are no code, since branches around stores take drivers seconds to compile.
fn missing(row: u32, t: u32) -> bool {
    var gone = false;
    if ROWS % (2u * HALF) != 0u {
        gone = row >= ROWS;
    }
    if LEAD > 3u {
        gone = gone || t * 4u >= COLUMNS;
    }
    return gone;
}

// Stores four columns from 4 t on of a row of the tile's first block; returns what is stored, zeros
// past the last row.
fn store_row(tile: Tile, row: u32, t: u32, v: vec4<f32>) -> vec4<f32> {
    if missing(row, t) {
        return vec4<f32>();
    }
    return finish(place_of(tile, row, t), activate(ACTIVATION, biased(tile.block, row, v)));
}

// The same of the row that rows of both halves make, `i` counting rows within a half.
fn store_gated(tile: Tile, i: u32, t: u32, first: vec4<f32>, second: vec4<f32>) -> vec4<f32> {
    let row = tile.row + i;
    if missing(row, t) {
        return vec4<f32>();
    }
    let v = activate(ACTIVATION, biased(tile.block, row, first));
    return finish(place_of(tile, row, t), v * biased(tile.other, tile.partner + i, second));
}

// Stores four columns from 4 t on of a row of each half, `i` counting rows within a half; returns
// what is stored.
fn store(tile: Tile, i: u32, t: u32, first: vec4<f32>, second: vec4<f32>) -> mat2x4<f32> {
    if GLU {
        return mat2x4<f32>(store_gated(tile, i, t, first, second), vec4<f32>());
    }
    return mat2x4<f32>(
        store_row(tile, tile.row + i, t, first),
        store_row(tile, tile.partner + i, t, second),
    );
}
