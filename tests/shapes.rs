//! Shape inference on random operands: an error or a consistent type, never a panic.

use m2_ir::{Binary, Builder, DType, Dim, Expr, NodeId, Op, Sizes, Unary, ops::*};
use proptest::prelude::*;

fn dim() -> impl Strategy<Value = Dim> {
    prop_oneof![
        4 => (0usize..7).prop_map(Dim::Fixed),
        3 => Just(Dim::Tokens),
        1 => Just(Dim::Rows),
        1 => Just(Dim::Asked),
        2 => Just(Dim::Span),
    ]
}

fn dtype() -> impl Strategy<Value = DType> {
    prop_oneof![6 => Just(DType::F32), 1 => Just(DType::U32), 1 => Just(DType::F16)]
}

type Operand = (Vec<Dim>, DType);

/// Mostly what ops take: values of tokens, weights, kernels; sometimes anything.
fn operand() -> impl Strategy<Value = Operand> {
    let fixed = |n: usize| prop::collection::vec((1usize..7).prop_map(Dim::Fixed), n);
    prop_oneof![
        3 => (1usize..7).prop_map(|w| (vec![Dim::Tokens, Dim::Fixed(w)], DType::F32)),
        1 => (1usize..7).prop_map(|w| (vec![Dim::Span, Dim::Fixed(w)], DType::F32)),
        1 => (1usize..4).prop_map(|h| (vec![Dim::Tokens, Dim::Fixed(h), Dim::Span], DType::F32)),
        1 => Just((vec![Dim::Tokens], DType::U32)),
        2 => fixed(1).prop_map(|s| (s, DType::F32)),
        2 => fixed(2).prop_map(|s| (s, DType::F32)),
        2 => fixed(3).prop_map(|s| (s, DType::F32)),
        2 => (prop::collection::vec(dim(), 0..5), dtype()),
    ]
}

fn epilogue() -> impl Strategy<Value = Epilogue> {
    let activation =
        prop_oneof![Just(Activation::None), Just(Activation::Gelu), Just(Activation::Tanh)];
    (any::<bool>(), activation, any::<bool>(), any::<bool>())
        .prop_map(|(bias, activation, glu, residual)| Epilogue { bias, activation, glu, residual })
}

fn expr() -> impl Strategy<Value = Expr> {
    prop_oneof![
        Just(Expr::input(0).unary(Unary::Gelu)),
        Just(Expr::input(0).binary(Binary::Add, &Expr::input(1))),
        Just(Expr::input(1).binary(Binary::Mul, &Expr::input(2))),
        Just(Expr::constant(1.0)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let lag =
        prop_oneof![Just(None), Just(Some(ReverseLag::Next)), Just(Some(ReverseLag::Current))];
    let orientation =
        prop_oneof![Just(Orientation::Nt), Just(Orientation::Nn), Just(Orientation::Tn)];
    let which = prop_oneof![Just(Which::First), Just(Which::Asked)];
    let n = || prop_oneof![9 => 0usize..5, 1 => Just(usize::MAX)];
    prop_oneof![
        expr().prop_map(|e| Elementwise::new(e).into()),
        Just(Op::from(Reduce { kind: ReduceKind::Mean })),
        (orientation, epilogue()).prop_map(|(orientation, epilogue)| MatMul {
            orientation,
            epilogue
        }
        .into()),
        epilogue().prop_map(|epilogue| BlockDiagMatMul { epilogue }.into()),
        any::<bool>().prop_map(|permute_input| Monarch { permute_input }.into()),
        Just(Op::from(LongConv)),
        Just(Op::from(ConvPair)),
        (n(), any::<bool>()).prop_map(|(taps, residual)| SequenceMixer { taps, residual }.into()),
        (lag, any::<bool>()).prop_map(|(reverse, pair)| ConvSpectrum { reverse, pair }.into()),
        n().prop_map(|taps| ShortConv { taps }.into()),
        Just(Op::from(ImplicitFilter { w_mod: 1.0 })),
        any::<bool>().prop_map(|residual| LayerNorm { eps: 1e-12, residual }.into()),
        Just(Op::from(Softmax)),
        (n(), any::<bool>()).prop_map(|(heads, alibi)| Attention { heads, alibi }.into()),
        (n(), any::<bool>()).prop_map(|(heads, alibi)| AttentionScores { heads, alibi }.into()),
        Just(Op::from(AttentionApply)),
        Just(Op::from(QueryAttention)),
        Just(Op::from(Gather)),
        which.prop_map(|which| GatherRows { which }.into()),
        Just(Op::from(PoolRows)),
        prop::collection::vec(dim(), 0..4).prop_map(|shape| Reshape { shape }.into()),
        (n(), n(), n()).prop_map(|(axis, start, len)| Slice { axis, start, len }.into()),
        n().prop_map(|axis| Concat { axis }.into()),
        prop::collection::vec(n(), 0..4).prop_map(|order| Permute { order }.into()),
        n().prop_map(|after| Pad { after }.into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn inference_errs_or_is_consistent(
        op in op(),
        operands in prop::collection::vec(operand(), 0..5),
    ) {
        consistent(op, &operands)?;
    }

    /// Operands that are all alike, as many as any op takes: scalars, empty axes, one shape for all.
    #[test]
    fn operands_that_are_all_alike(op in op(), one in operand(), n in 0usize..12) {
        consistent(op, &vec![one; n])?;
    }
}

fn consistent(op: Op, operands: &[Operand]) -> Result<(), TestCaseError> {
    let mut g = Builder::new();
    let ids: Vec<NodeId> = operands
        .iter()
        .enumerate()
        .map(|(i, (shape, dtype))| g.input(&format!("x{i}"), shape.iter().copied(), *dtype))
        .collect();
    let name = op.name();
    match g.named("y", op, &ids) {
        Err(e) => {
            let text = e.to_string();
            prop_assert!(text.contains(name) && text.starts_with("y:"), "{}", text);
        }
        Ok(y) => {
            let ty = g.node(y).ty.clone();
            let sizes = Sizes { tokens: 12, rows: 3, asked: 2, span: 8 };
            let types: Vec<_> = ids.iter().map(|i| g.node(*i).ty.clone()).collect();
            let types: Vec<&_> = types.iter().collect();
            g.node(y).op.rule().flops(&types, &ty, &sizes);
            g.output("y", y);
            let graph = g.finish();
            graph.verify().unwrap();
            let parts = m2_ir::passes::decompose_all(&graph).unwrap();
            parts.verify().unwrap();
            graph.same_outputs(&parts).unwrap();
        }
    }
    Ok(())
}
