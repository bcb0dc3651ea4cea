// The sums of a long convolution as they are written, for rows longer than the transform in
// workgroup memory takes: L^2 products, exact to rounding. Stands where convolve.wgsl stands.
//
// rows (R), lags (H, 1 or 2, 2 L) as conv_spectrum/lags.wgsl writes them: lag d at L + d.
// Grid: rows by H.

override L: u32 = 4096u;
override H: u32 = 64u;
override PAIR: bool = true;

@group(0) @binding(2) var<storage, read> lags: array<f32>;
@group(0) @binding(3) var<storage, read> rows: array<Row>;

const THREADS: u32 = 64u;

var<workgroup> part: array<vec2<f32>, THREADS>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let g = unit(group, groups);
    let channel = g / sizes.rows;
    if channel >= H {
        return;
    }
    let row = rows[g % sizes.rows];
    var base = channel * 2u * L;
    if PAIR {
        base += channel * 2u * L;
    }
    for (var first = 0u; first < row.length; first += THREADS) {
        let n = first + lane;
        var y = vec2<f32>(0.0);
        for (var from_s = 0u; from_s < row.length; from_s += THREADS) {
            var v = vec2<f32>(0.0);
            if from_s + lane < row.length {
                v = signal(row.offset + from_s + lane, from_s + lane, channel);
            }
            part[lane] = v;
            workgroupBarrier();
            // A sum of 64 terms at a time keeps the rounding of long rows small.
            var sum = vec2<f32>(0.0);
            for (var i = 0u; i < THREADS; i += 1u) {
                // Past the row the signal is 0; the lag must only stay inside the table.
                let lag = min(base + L + n - from_s - i, base + 2u * L - 1u);
                var k = vec2<f32>(lags[lag], 0.0);
                if PAIR {
                    k.y = lags[lag + 2u * L];
                }
                sum += k * part[i];
            }
            y += sum;
            workgroupBarrier();
        }
        if n < (row.length + 3u) / 4u * 4u {
            finish(row.offset + n, n, channel, n < row.length, y);
        }
    }
}
