//! Every kernel of the GPU backend, as WGSL text; one folder an op.
//!
//! A kernel is several files put together: the prelude, shared parts, and the file of the op. What
//! a plan fixes (shapes, strides, switches) are override constants, set when a pipeline is made.

/// One entry point `main` and the text it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// Folder and file of the op's own part.
    pub name: &'static str,
    parts: &'static [&'static str],
    /// Constants of the text that the caller sets, as `name` and an example value.
    constants: &'static [(&'static str, u32)],
}

impl Kernel {
    /// The whole WGSL module, `constants` given in the order of their declaration.
    pub fn source(&self, constants: &[u32]) -> String {
        let mut text = String::new();
        for ((name, _), value) in self.constants.iter().zip(constants) {
            text.push_str(&format!("const {name}: u32 = {value}u;\n"));
        }
        text.push_str(PRELUDE);
        for part in self.parts {
            text.push_str(part);
        }
        text
    }

    /// The module with example constants.
    pub fn example(&self) -> String {
        self.source(&self.constants.iter().map(|c| c.1).collect::<Vec<_>>())
    }
}

/// Sizes of the batch, row table, folded grid.
pub const PRELUDE: &str = include_str!("../prelude/prelude.wgsl");
/// exp, erf, GELU, tanh and sine as polynomials.
pub const MATH: &str = include_str!("../prelude/math.wgsl");

macro_rules! kernels {
    ($($(#[$doc:meta])* $id:ident = $name:literal, $parts:expr $(, $constant:ident = $value:literal)*;)*) => {
        $($(#[$doc])* pub const $id: Kernel = Kernel {
            name: $name,
            parts: &$parts,
            constants: &[$((stringify!($constant), $value)),*],
        };)*
        /// All kernels.
        pub const ALL: &[Kernel] = &[$($id),*];
    };
}

const F32: &str = include_str!("../matmul/weights_f32.wgsl");
const F16: &str = include_str!("../matmul/weights_f16.wgsl");
const F32_ANY: &str = include_str!("../matmul/weights_f32_any.wgsl");
const F16_ANY: &str = include_str!("../matmul/weights_f16_any.wgsl");
const ROWS: &str = include_str!("../matmul/rows.wgsl");
const FOUR: &str = include_str!("../matmul/four_rows.wgsl");
const TRANSPOSED: &str = include_str!("../matmul/transposed.wgsl");
const ANY: &str = include_str!("../matmul/any.wgsl");
const TOKENS: &str = include_str!("../matmul/tokens.wgsl");
const ACROSS: &str = include_str!("../matmul/across.wgsl");
const FINISH: &str = include_str!("../matmul/finish.wgsl");
const RESIDUAL: &str = include_str!("../matmul/residual.wgsl");
const NORMALISED: &str = include_str!("../matmul/normalised.wgsl");
const STATISTICS: &str = include_str!("../matmul/statistics.wgsl");
const UNRECORDED: &str = include_str!("../matmul/unrecorded.wgsl");
const DIRECT: &str = include_str!("../matmul/direct.wgsl");
const TILED: &str = include_str!("../matmul/tiled.wgsl");
const SHAPE: &str = include_str!("../bench/shape.wgsl");
const FFT: &str = include_str!("../transform/fft.wgsl");
const CONVOLVE: &str = include_str!("../transform/convolve.wgsl");
const MIRROR: &str = include_str!("../transform/mirror.wgsl");
const PRODUCT: &str = include_str!("../transform/product.wgsl");
const BALANCE: &str = include_str!("../transform/balance.wgsl");
const PASSES: &str = include_str!("../transform/passes.wgsl");
const SCALE: &str = include_str!("../transform/scale.wgsl");
const WINDOW: &str = include_str!("../transform/window.wgsl");
const ROW_TABLE: &str = include_str!("../transform/row_table.wgsl");
const TASK: &str = include_str!("../transform/task.wgsl");
const TASK_LOAD: &str = include_str!("../transform/task_load.wgsl");
const TASK_STORE: &str = include_str!("../transform/task_store.wgsl");
const TASK_VALUE: &str = include_str!("../transform/task_value.wgsl");
const PEAKS: &str = include_str!("../transform/peaks.wgsl");
const COLUMNS: &str = include_str!("../transform/columns.wgsl");
const ROW_PAIRS: &str = include_str!("../transform/row_pairs.wgsl");
const BACK: &str = include_str!("../transform/finish.wgsl");
const ALONG_ROWS: &str = include_str!("../transform/rows.wgsl");
const KERNELS: &str = include_str!("../conv_spectrum/kernels.wgsl");
const SPLIT: &str = include_str!("../conv_spectrum/split.wgsl");
const ONE_ROW: &str = include_str!("../conv_spectrum/one_row.wgsl");
const FILTER_TILE: &str = include_str!("../implicit_filter/tile.wgsl");
const POSITIONS: &str = include_str!("../implicit_filter/positions.wgsl");
const HIDDEN: &str = include_str!("../implicit_filter/hidden.wgsl");
const SINE_LAYER: &str = include_str!("../implicit_filter/sine_layer.wgsl");
const MIXER: &str = include_str!("../sequence_mixer/sequence_mixer.wgsl");
const MIXER_SIGNAL: &str = include_str!("../sequence_mixer/signal.wgsl");
const MIXER_GATE: &str = include_str!("../sequence_mixer/gate.wgsl");
const MIXER_X1_V: &str = include_str!("../sequence_mixer/x1_v.wgsl");
const PAIR: &str = include_str!("../conv_pair/conv_pair.wgsl");
const LONG: &str = include_str!("../long_conv/long_conv.wgsl");

kernels! {
    /// Products in registers, inputs of the weights contiguous.
    MATMUL_DIRECT_ROWS = "matmul/direct+rows", [MATH, FINISH, RESIDUAL, F32, ROWS, FOUR, TOKENS, DIRECT];
    /// Products in registers, inputs of the weights contiguous, in half precision.
    MATMUL_DIRECT_ROWS_F16 = "matmul/direct+rows+f16", [MATH, FINISH, RESIDUAL, F16, ROWS, FOUR, TOKENS, DIRECT];
    /// Products in registers, rows of the weights contiguous.
    MATMUL_DIRECT_TRANSPOSED = "matmul/direct+transposed",
        [MATH, FINISH, RESIDUAL, F32, TRANSPOSED, TOKENS, DIRECT];
    /// Products in registers, rows of the weights contiguous, in half precision.
    MATMUL_DIRECT_TRANSPOSED_F16 = "matmul/direct+transposed+f16",
        [MATH, FINISH, RESIDUAL, F16, TRANSPOSED, TOKENS, DIRECT];
    /// Products in registers, any width and orientation of the weights.
    MATMUL_DIRECT_ANY = "matmul/direct+any", [MATH, FINISH, RESIDUAL, F32_ANY, ANY, FOUR, TOKENS, DIRECT];
    /// Products in registers, any width and orientation of the weights, in half precision.
    MATMUL_DIRECT_ANY_F16 = "matmul/direct+any+f16", [MATH, FINISH, RESIDUAL, F16_ANY, ANY, FOUR, TOKENS, DIRECT];
    /// Products in registers, the summed axis of both operands contiguous.
    MATMUL_DIRECT_ACROSS = "matmul/direct+across", [MATH, FINISH, RESIDUAL, F32, ROWS, FOUR, ACROSS, DIRECT];
    /// Products through workgroup memory, inputs of the weights contiguous.
    MATMUL_TILED_ROWS = "matmul/tiled+rows", [MATH, FINISH, RESIDUAL, F32, ROWS, FOUR, TOKENS, UNRECORDED, TILED];
    /// Products through workgroup memory, inputs of the weights contiguous, in half precision.
    MATMUL_TILED_ROWS_F16 = "matmul/tiled+rows+f16", [MATH, FINISH, RESIDUAL, F16, ROWS, FOUR, TOKENS, UNRECORDED, TILED];
    /// Products through workgroup memory, rows of the weights contiguous.
    MATMUL_TILED_TRANSPOSED = "matmul/tiled+transposed", [MATH, FINISH, RESIDUAL, F32, TRANSPOSED, TOKENS, UNRECORDED, TILED];
    /// Products through workgroup memory, rows of the weights contiguous, in half precision.
    MATMUL_TILED_TRANSPOSED_F16 = "matmul/tiled+transposed+f16",
        [MATH, FINISH, RESIDUAL, F16, TRANSPOSED, TOKENS, UNRECORDED, TILED];
    /// Products through workgroup memory, any width and orientation of the weights.
    MATMUL_TILED_ANY = "matmul/tiled+any", [MATH, FINISH, RESIDUAL, F32_ANY, ANY, FOUR, TOKENS, UNRECORDED, TILED];
    /// Products through workgroup memory, any width and orientation of the weights, in half precision.
    MATMUL_TILED_ANY_F16 = "matmul/tiled+any+f16", [MATH, FINISH, RESIDUAL, F16_ANY, ANY, FOUR, TOKENS, UNRECORDED, TILED];
    /// Products through workgroup memory, the summed axis of both operands contiguous.
    MATMUL_TILED_ACROSS = "matmul/tiled+across", [MATH, FINISH, RESIDUAL, F32, ROWS, FOUR, ACROSS, UNRECORDED, TILED];
    /// Products through workgroup memory that make the statistics of a layer norm.
    MATMUL_TILED_STATISTICS = "matmul/tiled+statistics",
        [MATH, FINISH, RESIDUAL, F32, ROWS, FOUR, TOKENS, STATISTICS, TILED];
    /// Products through workgroup memory that make the statistics of a layer norm, with weights in
    /// half precision.
    MATMUL_TILED_STATISTICS_F16 = "matmul/tiled+statistics+f16",
        [MATH, FINISH, RESIDUAL, F16, ROWS, FOUR, TOKENS, STATISTICS, TILED];
    /// Products through workgroup memory that normalise their inputs.
    MATMUL_TILED_NORMALISED = "matmul/tiled+normalised",
        [MATH, FINISH, F32, ROWS, FOUR, NORMALISED, UNRECORDED, TILED];
    /// Products through workgroup memory that normalise their inputs, with weights in half precision.
    MATMUL_TILED_NORMALISED_F16 = "matmul/tiled+normalised+f16",
        [MATH, FINISH, F16, ROWS, FOUR, NORMALISED, UNRECORDED, TILED];
    /// Slices of a product added up.
    MATMUL_SLICES = "matmul/slices", [MATH, FINISH, RESIDUAL, include_str!("../matmul/slices.wgsl")];
    /// The product that others are measured against.
    BENCH_ROWS8 = "bench/rows8", [SHAPE, include_str!("../bench/rows8.wgsl")];
    /// The slowest product.
    BENCH_NAIVE = "bench/naive", [SHAPE, include_str!("../bench/naive.wgsl")];
    /// Multiply-adds in registers.
    BENCH_FMA = "bench/fma", [include_str!("../bench/fma.wgsl")];
    /// Products with any strides, one result per invocation.
    MATMUL_STRIDED = "matmul/strided", [MATH, include_str!("../matmul/strided.wgsl")];
    /// Layer normalisation with an optional residual.
    LAYER_NORM = "layer_norm/layer_norm", [include_str!("../layer_norm/layer_norm.wgsl")];
    /// Table look-up.
    GATHER = "gather/gather", [include_str!("../gather/gather.wgsl")];
    /// First tokens of rows, or asked positions.
    GATHER_ROWS = "gather_rows/gather_rows", [include_str!("../gather_rows/gather_rows.wgsl")];
    /// Mean of each row's valid tokens.
    POOL_ROWS = "pool_rows/pool_rows", [include_str!("../pool_rows/pool_rows.wgsl")];
    /// Reductions along one axis.
    REDUCE = "reduce/reduce", [include_str!("../reduce/reduce.wgsl")];
    /// Softmax along one axis.
    SOFTMAX = "softmax/softmax", [MATH, include_str!("../softmax/softmax.wgsl")];
    /// Depthwise causal convolution with few taps.
    SHORT_CONV = "short_conv/short_conv", [include_str!("../short_conv/short_conv.wgsl")];
    /// Elements moved between strided boxes.
    COPY = "copy/copy", [include_str!("../copy/copy.wgsl")];
    /// Attention with an online softmax.
    ATTENTION = "attention/attention", [MATH, include_str!("../attention/attention.wgsl")], HEAD_DIM = 16;
    /// Scores of attention.
    ATTENTION_SCORES = "attention_scores/attention_scores",
        [include_str!("../attention_scores/attention_scores.wgsl")];
    /// Weighted sums of attention.
    ATTENTION_APPLY = "attention_apply/attention_apply",
        [include_str!("../attention_apply/attention_apply.wgsl")];
    /// Probabilities of attention normalised over the queries.
    QUERY_ATTENTION = "query_attention/probs", [MATH, include_str!("../query_attention/probs.wgsl")];
    /// The first layer of the implicit filters' network.
    FILTER_FIRST = "implicit_filter/first_layer", [MATH, FILTER_TILE, POSITIONS, SINE_LAYER];
    /// A later hidden layer of the implicit filters' network.
    FILTER_LAYER = "implicit_filter/sine_layer", [MATH, FILTER_TILE, HIDDEN, SINE_LAYER];
    /// The last layer of the implicit filters' network, with its decay.
    FILTER_MODULATE = "implicit_filter/modulate",
        [MATH, FILTER_TILE, HIDDEN, include_str!("../implicit_filter/modulate.wgsl")];
    /// Spectra of kernels by transforms in workgroup memory.
    SPECTRUM = "conv_spectrum/transform",
        [FFT, MIRROR, KERNELS, SPLIT, include_str!("../conv_spectrum/transform.wgsl")];
    /// Spectra of kernels in passes: transforms along columns.
    SPECTRUM_COLUMNS = "conv_spectrum/columns",
        [FFT, PASSES, ONE_ROW, KERNELS, COLUMNS];
    /// Spectra of kernels in passes: transforms along rows.
    SPECTRUM_ROWS = "conv_spectrum/rows",
        [FFT, PASSES, ONE_ROW, MIRROR, ROW_PAIRS, ALONG_ROWS, SPLIT,
        include_str!("../conv_spectrum/rows.wgsl")];
    /// Long convolutions in passes: along rows, with the product.
    CONVOLVE_ROWS = "transform/rows",
        [FFT, PASSES, WINDOW, MIRROR, ROW_PAIRS, ALONG_ROWS, PRODUCT,
        include_str!("../transform/row_spectrum.wgsl")];
    /// The sequence mixer by transforms in workgroup memory.
    MIXER_TRANSFORM = "sequence_mixer/transform", [FFT, BALANCE, MIRROR, PRODUCT, TASK, TASK_LOAD, TASK_STORE, CONVOLVE, MIXER,
        MIXER_SIGNAL, MIXER_GATE, include_str!("../sequence_mixer/whole.wgsl")], HELD = 8;
    /// The sequence mixer in passes: its signals' peaks.
    MIXER_PEAKS = "sequence_mixer/peaks", [FFT, BALANCE, PASSES, WINDOW, ROW_TABLE, TASK, TASK_LOAD, TASK_VALUE, PEAKS, MIXER,
        MIXER_SIGNAL, MIXER_X1_V];
    /// The sequence mixer in passes: transforms along columns.
    MIXER_COLUMNS = "sequence_mixer/columns",
        [FFT, BALANCE, PASSES, SCALE, WINDOW, ROW_TABLE, TASK, TASK_LOAD, TASK_VALUE, COLUMNS, MIXER, MIXER_SIGNAL, MIXER_X1_V];
    /// The sequence mixer in passes: back along columns.
    MIXER_FINISH = "sequence_mixer/finish",
        [FFT, BALANCE, PASSES, SCALE, WINDOW, ROW_TABLE, TASK, TASK_STORE, BACK, MIXER, MIXER_GATE,
        include_str!("../sequence_mixer/x2.wgsl")];
    /// Two long convolutions by transforms in workgroup memory.
    PAIR_TRANSFORM = "conv_pair/transform", [FFT, BALANCE, MIRROR, PRODUCT, TASK, TASK_LOAD, TASK_STORE, CONVOLVE, PAIR], HELD = 8;
    /// Two long convolutions in passes: its signals' peaks.
    PAIR_PEAKS = "conv_pair/peaks", [FFT, BALANCE, PASSES, WINDOW, ROW_TABLE, TASK, TASK_LOAD, TASK_VALUE, PEAKS, PAIR];
    /// Two long convolutions in passes: transforms along columns.
    PAIR_COLUMNS = "conv_pair/columns",
        [FFT, BALANCE, PASSES, SCALE, WINDOW, ROW_TABLE, TASK, TASK_LOAD, TASK_VALUE, COLUMNS, PAIR];
    /// Two long convolutions in passes: back along columns.
    PAIR_FINISH = "conv_pair/finish",
        [FFT, BALANCE, PASSES, SCALE, WINDOW, ROW_TABLE, TASK, TASK_STORE, BACK, PAIR];
    /// One long convolution by transforms in workgroup memory.
    LONG_TRANSFORM = "long_conv/transform", [FFT, BALANCE, MIRROR, PRODUCT, CONVOLVE, LONG], HELD = 8;
    /// One long convolution in passes: its signals' peaks.
    LONG_PEAKS = "long_conv/peaks", [FFT, BALANCE, PASSES, WINDOW, ROW_TABLE, TASK_VALUE, PEAKS, LONG];
    /// One long convolution in passes: transforms along columns.
    LONG_COLUMNS = "long_conv/columns",
        [FFT, BALANCE, PASSES, SCALE, WINDOW, ROW_TABLE, TASK_VALUE, COLUMNS, LONG];
    /// One long convolution in passes: back along columns.
    LONG_FINISH = "long_conv/finish",
        [FFT, BALANCE, PASSES, SCALE, WINDOW, ROW_TABLE, BACK, LONG];
}

#[cfg(test)]
mod tests;
