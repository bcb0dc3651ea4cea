//! `pointwise*`: GELU and LayerNorm.

use m2_ir::{
    Expr, Unary,
    ops::{Elementwise, LayerNorm},
};

use super::{Arrange, Expected, as_tokens, as_weight, files, run};
use crate::support::case::Case;

#[test]
pub fn golden_pointwise() {
    for file in files("pointwise") {
        let mut c = Case::new(0);
        let (x, rows) = as_tokens(&mut c, &file, "in.x");
        let w = as_weight(&mut c, &file, "in.w", None);
        let b = as_weight(&mut c, &file, "in.b", None);
        let mut expected = Vec::new();
        for tensor in file.outputs() {
            let node = match tensor.as_str() {
                "out.gelu_erf" => {
                    let gelu = Elementwise::new(Expr::input(0).unary(Unary::Gelu));
                    c.g.named(&tensor, gelu, &[x]).unwrap()
                }
                other => {
                    let digits = other.strip_prefix("out.layernorm_1e").unwrap_or_else(|| {
                        panic!("{}: {other} is neither gelu_erf nor layernorm_1e…", file.name)
                    });
                    // The name gives the exponent, `params` the values: they agree.
                    let eps = format!("1e-{digits}").parse::<f64>().unwrap();
                    let listed = file.params["layer_norm_eps"].as_array().unwrap();
                    assert!(listed.iter().any(|v| v.as_f64() == Some(eps)), "{}", file.name);
                    let norm = LayerNorm { eps, residual: false };
                    c.g.named(&tensor, norm, &[x, w, b]).unwrap()
                }
            };
            expected.push(Expected { tensor, node, arrange: Arrange::Rows });
        }
        run(&file, c, &rows, expected, false);
    }
}
