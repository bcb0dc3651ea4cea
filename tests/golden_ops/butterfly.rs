//! `butterfly_*`: order-2 Monarch products and the einsum variants (m2-bert.md 5.1, 5.2).

use m2_ir::{NodeId, ops::Monarch};

use super::{Arrange, Expected, as_tokens, as_weight, files, run};
use crate::support::{case::Case, golden::OpFile};

#[test]
pub fn golden_butterfly_products() {
    for file in files("butterfly_").iter().filter(|f| f.tensors.contains_key("in.w1")) {
        let mut c = Case::new(0);
        let (x, rows) = as_tokens(&mut c, file, "in.x");
        let w1 = as_weight(&mut c, file, "in.w1", None);
        let w2 = as_weight(&mut c, file, "in.w2", None);
        let node = c.g.named("y", Monarch { permute_input: false }, &[x, w1, w2]).unwrap();
        let y = Expected { tensor: "out.y".into(), node, arrange: Arrange::Rows };
        run(file, c, &rows, vec![y], false);
    }
}

/// All variants are one Monarch product once the axes of the weights are regrouped.
///
/// The product sums `w2[λ, σ, ρ]` over the flat middle `κq + θ = ρ·l + λ`, so with l = j the middle
/// axis of w1 has to be (inner, j) and the last of w2 (k, inner). The inner axis is β1 or the rank.
/// The result lies as (σ, λ), where the variants want (λ', ι): λ = ι for simple and rank; for blocks
/// σ holds (λ', β2) and the wanted order is (λ', ι, β2).
#[test]
pub fn golden_butterfly_einsum() {
    for file in files("butterfly_einsum") {
        let size = |name: &str| file.number(name) as usize;
        let (k, j, i, l) = (size("k"), size("j"), size("i"), size("l"));
        let (b1, b2, rank) = (size("b1"), size("b2"), size("rank"));
        let mut c = Case::new(0);
        let (x, rows) = as_tokens(&mut c, &file, "in.x");
        let mut expected = Vec::new();
        let product = |c: &mut Case, out: &str, w1: NodeId, w2: NodeId| {
            c.g.named(out, Monarch { permute_input: false }, &[x, w1, w2]).unwrap()
        };
        let (s1, s2) =
            (as_weight(&mut c, &file, "in.s1", None), as_weight(&mut c, &file, "in.s2", None));
        let simple = product(&mut c, "simple", s1, s2);
        let (r1, r2) =
            (as_weight(&mut c, &file, "in.r1", None), as_weight(&mut c, &file, "in.r2", None));
        let ranked = product(&mut c, "rank", r1, r2);
        // (k, (j, b1), i) becomes (k, (b1, j), i), and (j, l·b2, (k, b1)) stays.
        let g1 = middle_turned(&mut c, &file, "in.g1", [k, j, b1, i]);
        let g2 = as_weight(&mut c, &file, "in.g2", None);
        let y = product(&mut c, "blocks/product", g1, g2);
        let blocks = regroup(&mut c, y, [l, b2, j]);
        assert_eq!(file.get("in.r1").shape(), [k, rank * j, i]);
        for (tensor, node) in [("out.simple", simple), ("out.rank", ranked), ("out.blocks", blocks)]
        {
            expected.push(Expected { tensor: tensor.into(), node, arrange: Arrange::Rows });
        }
        run(&file, c, &rows, expected, false);
    }
}

/// A weight (a, b·c, d) with its middle axis regrouped to (c, b).
fn middle_turned(c: &mut Case, file: &OpFile, tensor: &str, n: [usize; 4]) -> NodeId {
    let x = file.get(tensor).to_f32().into_owned();
    let [na, nb, nc, nd] = n;
    let mut out = Vec::with_capacity(x.len());
    for a in 0..na {
        for (cc, b) in (0..nc).flat_map(|cc| (0..nb).map(move |b| (cc, b))) {
            out.extend_from_slice(&x[((a * nb + b) * nc + cc) * nd..][..nd]);
        }
    }
    c.given(tensor, &[na, nc * nb, nd], &out)
}

/// (T, a·b·c) with the inner axes (a, b, c) turned to (a, c, b).
fn regroup(case: &mut Case, x: NodeId, [a, b, c]: [usize; 3]) -> NodeId {
    use m2_ir::{
        Dim,
        ops::{Permute, Reshape},
    };
    let shape = |inner: &[usize]| Reshape {
        shape: std::iter::once(Dim::Tokens).chain(inner.iter().map(|&n| Dim::Fixed(n))).collect(),
    };
    let y = case.g.named("grid", shape(&[a, b, c]), &[x]).unwrap();
    let y = case.g.named("turned", Permute { order: vec![0, 1, 3, 2] }, &[y]).unwrap();
    case.g.named("blocks", shape(&[a * b * c]), &[y]).unwrap()
}
