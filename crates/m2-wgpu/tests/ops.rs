//! Every op on the GPU against the plain f64 executor: odd shapes, ragged rows, poisoned buffers.

use crate::common::{Case, epilogues, tokens, with_epilogue};
use m2_ir::{Binary, DType, Dim, Expr, RowTable, Unary, ops};

const T: Dim = Dim::Tokens;

fn binary(f: Binary) -> ops::Elementwise {
    ops::Elementwise::new(Expr::input(0).binary(f, &Expr::input(1)))
}

#[test]
fn elementwise_spreads_operands() {
    let case = Case { scale: 3.0, ..Case::default() };
    case.check(|g| {
        let (x, b) = (tokens(g, "x", 5), g.param("b", &[5]));
        let s = g.add(ops::Reduce { kind: ops::ReduceKind::SumSquares }, &[x]).unwrap();
        let one = g.param("one", &[1]);
        let e = Expr::input(0)
            .unary(Unary::Gelu)
            .binary(Binary::Mul, &Expr::input(1).unary(Unary::Tanh))
            .binary(Binary::Div, &Expr::input(2).unary(Unary::Sqrt))
            .binary(Binary::Add, &Expr::input(3).unary(Unary::Sigmoid))
            .binary(Binary::Max, &Expr::constant(-0.25));
        g.add(ops::Elementwise::new(e), &[x, b, s, one]).unwrap()
    });
    case.check(|g| {
        let (w, b) = (g.param("w", &[3, 4, 5]), g.param("b", &[4, 1]));
        let e = Expr::input(0).binary(Binary::Sub, &Expr::input(1).unary(Unary::Exp));
        let w = g.add(ops::Elementwise::new(e), &[w, b]).unwrap();
        let x = tokens(g, "x", 1);
        let w = g.add(ops::Reshape { shape: vec![Dim::Fixed(60)] }, &[w]).unwrap();
        g.add(binary(Binary::Add), &[x, w]).unwrap()
    });
}

#[test]
fn functions_are_exact_far_out() {
    for f in [Unary::Gelu, Unary::Tanh, Unary::Sigmoid] {
        // An absolute error of 5e-7 of the largest result, which is 1 or 40.
        let case = Case { scale: 40.0, tolerance: 5e-7, ..Case::default() };
        case.check(|g| {
            let x = tokens(g, "x", 7);
            g.add(ops::Elementwise::new(Expr::input(0).unary(f)), &[x]).unwrap()
        });
        let case = Case { scale: 2.0, tolerance: 3e-7, ..Case::default() };
        case.check(|g| {
            let x = tokens(g, "x", 7);
            g.add(ops::Elementwise::new(Expr::input(0).unary(f)), &[x]).unwrap()
        });
    }
    let case = Case { scale: 0.1, ..Case::default() };
    case.check(|g| {
        let x = tokens(g, "x", 3);
        let e = Expr::input(0).binary(Binary::Mul, &Expr::constant(100.0)).unary(Unary::Exp);
        g.add(ops::Elementwise::new(e), &[x]).unwrap()
    });
}

#[test]
fn dense_products() {
    for (k, n) in [(64, 64), (5, 10), (36, 18), (1, 2), (7, 130)] {
        for epilogue in epilogues() {
            Case { scale: 0.5, ..Case::default() }.check(|g| {
                let (x, w) = (tokens(g, "x", k), g.param("w", &[n, k]));
                let op = ops::MatMul { epilogue, ..Default::default() };
                with_epilogue(g, op.into(), x, w, n, epilogue)
            });
        }
    }
}

#[test]
fn products_of_other_orientations() {
    let nn = ops::MatMul { orientation: ops::Orientation::Nn, ..Default::default() };
    Case::default().check(|g| {
        let (x, w) = (tokens(g, "x", 9), g.param("w", &[9, 20]));
        g.add(nn, &[x, w]).unwrap()
    });
    let tn = ops::MatMul { orientation: ops::Orientation::Tn, ..Default::default() };
    // No gaps: the sum runs over all tokens.
    let case = Case { rows: RowTable::new([(8, 8), (16, 16)]).unwrap(), ..Case::default() };
    case.check(|g| {
        let (x, w) = (tokens(g, "x", 9), tokens(g, "w", 20));
        g.add(tn, &[x, w]).unwrap()
    });
    // Of weights alone, computed once.
    for op in [ops::MatMul::linear(), nn, tn] {
        Case::default().check(|g| {
            let (a, b) = (g.param("a", &[6, 6]), g.param("b", &[6, 6]));
            let w = g.add(op, &[a, b]).unwrap();
            let x = tokens(g, "x", 6);
            g.add(ops::MatMul::linear(), &[x, w]).unwrap()
        });
    }
}

#[test]
fn block_diagonal_products() {
    for (nb, q, p) in [(4, 16, 8), (4, 10, 5), (2, 9, 12), (1, 12, 4), (3, 4, 7), (6, 1, 1)] {
        for epilogue in epilogues() {
            if epilogue.glu && nb * q % 2 == 1 {
                continue;
            }
            Case::default().check(|g| {
                let (x, w) = (tokens(g, "x", nb * p), g.param("w", &[nb, q, p]));
                let op = ops::BlockDiagMatMul { epilogue };
                with_epilogue(g, op.into(), x, w, nb * q, epilogue)
            });
        }
    }
}

#[test]
fn monarch_products() {
    // (k, q, p) then (l, s, r) with l·r = k·q.
    for (a, b) in [([4, 6, 5], [3, 7, 8]), ([8, 8, 8], [8, 8, 8]), ([1, 12, 4], [6, 1, 2])] {
        for permute_input in [false, true] {
            Case { tolerance: 4e-6, ..Case::default() }.check(|g| {
                let x = tokens(g, "x", a[0] * a[2]);
                let (w1, w2) = (g.param("w1", &a), g.param("w2", &b));
                g.add(ops::Monarch { permute_input }, &[x, w1, w2]).unwrap()
            });
        }
    }
}

#[test]
fn layer_norms() {
    for (h, residual) in [(64, false), (5, true), (33, true), (1, false)] {
        Case { tolerance: 5e-6, ..Case::default() }.check(|g| {
            let mut x = vec![tokens(g, "x", h), g.param("w", &[h]), g.param("b", &[h])];
            if residual {
                x.push(tokens(g, "r", h));
            }
            g.add(ops::LayerNorm { eps: 1e-5, residual }, &x).unwrap()
        });
    }
    // A large mean against a small spread: a one-pass variance would be lost.
    Case { tolerance: 3e-4, ..Case::default() }.check(|g| {
        let x = tokens(g, "x", 24);
        let shift = Expr::input(0).binary(Binary::Add, &Expr::constant(1000.0));
        let x = g.add(ops::Elementwise::new(shift), &[x]).unwrap();
        let (w, b) = (g.param("w", &[24]), g.param("b", &[24]));
        g.add(ops::LayerNorm { eps: 1e-12, residual: false }, &[x, w, b]).unwrap()
    });
}

#[test]
fn look_ups_and_picked_rows() {
    let case = Case { asked: vec![0, 17, 9, 9, 45], ..Case::default() };
    for which in [ops::Which::First, ops::Which::Asked] {
        case.check(|g| {
            let table = g.param("table", &[7, 13]);
            let ids = g.input("ids", [T], DType::U32);
            let x = g.add(ops::Gather, &[table, ids]).unwrap();
            // A layer norm cannot be moved behind the rows for free, so both orders are planned.
            let y = g.add(ops::GatherRows { which }, &[x]).unwrap();
            let w = g.param("w", &[3, 13]);
            g.add(ops::MatMul::linear(), &[y, w]).unwrap()
        });
    }
    case.check(|g| {
        let x = tokens(g, "x", 11);
        g.add(ops::PoolRows, &[x]).unwrap()
    });
}

#[test]
fn reductions() {
    use ops::ReduceKind::{Max, Mean, Sum, SumSquares};
    for kind in [Sum, Mean, Max, SumSquares] {
        for h in [1, 6, 77] {
            Case::default().check(|g| {
                let x = tokens(g, "x", h);
                g.add(ops::Reduce { kind }, &[x]).unwrap()
            });
        }
        Case::default().check(|g| {
            let w = g.param("w", &[3, 9]);
            let r = g.add(ops::Reduce { kind }, &[w]).unwrap();
            let r = g.add(ops::Reshape { shape: vec![Dim::Fixed(3)] }, &[r]).unwrap();
            let x = tokens(g, "x", 3);
            g.add(binary(Binary::Mul), &[x, r]).unwrap()
        });
    }
}

#[test]
fn softmax_over_channels() {
    for h in [1, 5, 40] {
        Case { scale: 20.0, ..Case::default() }.check(|g| {
            let x = tokens(g, "x", h);
            g.add(ops::Softmax, &[x]).unwrap()
        });
    }
}

#[test]
fn copies_that_are_no_views() {
    Case::default().check(|g| {
        let (a, b) = (tokens(g, "a", 3), tokens(g, "b", 5));
        let c = g.add(ops::Concat { axis: 1 }, &[a, b, a]).unwrap();
        let c = g.add(ops::Pad { after: 2 }, &[c]).unwrap();
        let part = g.add(ops::Slice { axis: 1, start: 2, len: 10 }, &[c]).unwrap();
        let shape = vec![T, Dim::Fixed(2), Dim::Fixed(5)];
        let cube = g.add(ops::Reshape { shape }, &[part]).unwrap();
        let turned = g.add(ops::Permute { order: vec![0, 2, 1] }, &[cube]).unwrap();
        let last = g.add(ops::Slice { axis: 1, start: 1, len: 3 }, &[turned]).unwrap();
        g.add(ops::Reshape { shape: vec![T, Dim::Fixed(6)] }, &[last]).unwrap()
    });
    Case::default().check(|g| {
        let (a, b) = (g.param("a", &[2, 3]), g.param("b", &[4, 3]));
        let w = g.add(ops::Concat { axis: 0 }, &[a, b]).unwrap();
        let w = g.add(ops::Permute { order: vec![1, 0] }, &[w]).unwrap();
        let w = g.add(ops::Slice { axis: 0, start: 1, len: 2 }, &[w]).unwrap();
        let x = tokens(g, "x", 6);
        g.add(ops::MatMul::linear(), &[x, w]).unwrap()
    });
}

#[test]
fn short_convolutions() {
    for (c, taps) in [(6, 3), (1, 1), (9, 5)] {
        Case::default().check(|g| {
            let x = tokens(g, "x", c);
            let (w, b) = (g.param("w", &[c, 1, taps]), g.param("b", &[c]));
            g.add(ops::ShortConv { taps }, &[x, w, b]).unwrap()
        });
    }
}

#[test]
fn attention() {
    for (heads, d) in [(1, 4), (4, 16), (3, 5), (12, 2)] {
        for alibi in [false, true] {
            Case { scale: 2.0, tolerance: 3e-6, ..Case::default() }.check(|g| {
                let x = [tokens(g, "q", heads * d), tokens(g, "k", heads * d)];
                let v = tokens(g, "v", heads * d);
                g.add(ops::Attention { heads, alibi }, &[x[0], x[1], v]).unwrap()
            });
        }
    }
    Case::default().check(|g| {
        let (q, k) = (tokens(g, "q", 6), tokens(g, "k", 6));
        g.add(ops::AttentionScores { heads: 2, alibi: true }, &[q, k]).unwrap()
    });
}

#[test]
fn attention_over_queries() {
    Case { scale: 2.0, tolerance: 3e-6, ..Case::default() }.check(|g| {
        let (q, k, v) = (tokens(g, "q", 6), tokens(g, "k", 6), tokens(g, "v", 6));
        g.add(ops::QueryAttention, &[q, k, v]).unwrap()
    });
}
