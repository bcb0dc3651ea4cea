// Inputs as in matmul/tokens.wgsl, layer-normalised as they are loaded: (x - mean) / sqrt(var + EPS)
// gamma + beta over the P channels of a column. The first tile of rows also stores them, where the
// plan says that others read them.
//
// The statistics are those of the tiles of the product that made x (matmul/statistics.wgsl), merged
// by Chan's formula. Results have no residual, whose place the statistics take.
//
// x, hidden (P, LD), statistics (tiles, 2, LD), gamma, beta (P).

override EPS: f32 = 1e-12;
override X_ROWS: u32 = 64u;     // rows of a block of the product that made x
override X_SPAN: u32 = 64u;     // rows of its tiles, but for the last of a block
override KEEP: bool = false;

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> statistics: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> gamma: array<f32>;
@group(0) @binding(7) var<storage, read> beta: array<f32>;
@group(0) @binding(8) var<storage, read_write> hidden: array<vec4<f32>>;

var<private> center: vec4<f32>;
var<private> scale: vec4<f32>;
var<private> keeps: bool;

fn added(at: u32, v: vec4<f32>) -> vec4<f32> {
    return v;
}

// Merges the statistics of four columns from 4 t on.
fn prepare(tile: Tile, t: u32) {
    keeps = KEEP && tile.row == 0u;
    var mean = vec4<f32>(0.0);
    var squares = vec4<f32>(0.0);
    var at = t;
    var row = 0u;
    for (var count = 0u; count < P;) {
        let n = min(X_SPAN, X_ROWS - row);
        let distance = statistics[at] - mean;
        let share = f32(n) / f32(count + n);
        mean += distance * share;
        squares += statistics[at + LD / 4u] + distance * distance * (f32(count) * share);
        count += n;
        row = (row + n) % X_ROWS;
        at += LD / 2u;
    }
    center = mean;
    scale = 1.0 / sqrt(squares / f32(P) + EPS);
}

fn input(k: u32, t: u32) -> vec4<f32> {
    let at = k * (LD / 4u) + t;
    let v = (x[at] - center) * scale * gamma[k] + beta[k];
    if KEEP && keeps {
        hidden[at] = v;
    }
    return v;
}

fn inputs(block: u32, k: u32, t: u32) -> mat4x4<f32> {
    return mat4x4<f32>(input(k, t), input(k + 1u, t), input(k + 2u, t), input(k + 3u, t));
}
