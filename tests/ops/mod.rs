//! One file an op, as in `m2-ir`, `m2-cpu` and `shaders`: random odd shapes through [`check`].

pub mod check;

mod attention;
mod attention_apply;
mod attention_scores;
mod block_diag_matmul;
mod concat;
mod conv_pair;
mod conv_spectrum;
mod elementwise;
mod gather;
mod gather_rows;
mod implicit_filter;
mod layer_norm;
mod long_conv;
mod matmul;
mod monarch;
mod pad;
mod permute;
mod pool_rows;
mod query_attention;
mod reduce;
mod reshape;
mod sequence_mixer;
mod short_conv;
mod slice;
mod softmax;
