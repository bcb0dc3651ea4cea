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

/// Names of ops are one noun in types, files and dumps.
#[test]
fn ops_are_named_as_their_files() {
    use m2_ir::{Op, ops::*};
    let some: [Op; 6] = [
        LongConv.into(),
        QueryAttention.into(),
        Softmax.into(),
        PoolRows.into(),
        Gather.into(),
        ConvPair.into(),
    ];
    let ops = crate::support::house::root().join("crates/m2-ir/src/ops");
    for op in some {
        assert!(ops.join(format!("{}.rs", op.name())).exists(), "{}", op.name());
    }
}
