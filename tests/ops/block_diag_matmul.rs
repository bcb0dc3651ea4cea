//! Block-diagonal products with every epilogue.

use m2_ir::ops::BlockDiagMatMul;

use super::check::check;
use super::matmul::{epilogues, with_epilogue};
use crate::support::case::Case;

#[test]
fn every_epilogue() {
    for epilogue in epilogues() {
        check("block_diag_matmul", |c| {
            let (nb, q, p) =
                (2 * c.random.within(1, 3), c.random.within(1, 13), c.random.within(1, 13));
            let x = c.tokens("x", nb * p);
            let w = c.weight("w", &[nb, q, p], 1.0);
            with_epilogue(c, BlockDiagMatMul { epilogue }.into(), &[x, w], epilogue, nb * q);
        });
    }
}

#[test]
fn one_block_is_a_dense_product() {
    let mut c = Case::new(7);
    let x = c.tokens("x", 9);
    let w = c.weight("w", &[1, 5, 9], 1.0);
    let values = c.params["w"].to_f32().into_owned();
    let dense = c.given("dense", &[5, 9], &values);
    let a = c.g.named("a", BlockDiagMatMul::default(), &[x, w]).unwrap();
    let b = c.g.named("b", m2_ir::ops::MatMul::linear(), &[x, dense]).unwrap();
    c.output(a);
    c.output(b);
    let rows = &super::check::batches(7)[0];
    let out = c.finish().oracle(rows, &[]);
    assert_eq!(out[0].meaningful(rows), out[1].meaningful(rows));
}
