//! `filter_*`: implicit filters with the tables that their `params` name (m2-bert.md 3.3).

use m2_ir::{HostTensor, NodeId, ops::ImplicitFilter};
use m2_nn::tables;

use super::{Arrange, Expected, as_weight, files, run};
use crate::support::{
    case::{Case, RowSpec},
    golden::{OpFile, tensors, tree},
};

#[test]
pub fn golden_filters() {
    for file in files("filter_").iter().filter(|f| !f.name.contains("_tables")) {
        let of = tensors(&tree().m2bert().join(file.params["tables"].as_str().unwrap()));
        let length = file.get("out.k").shape()[1];
        let mut c = Case::new(0);
        let z = as_weight(&mut c, file, "in.pos_emb.z", None);
        let positions = file.get("in.pos_emb.z").shape()[1];
        // The tables hold the first rows, as many as are used; z has all positions.
        let mut t = of["t"].to_f32().into_owned();
        t.resize(positions, 0.0);
        let t = c.given("t", &[1, positions, 1], &t);
        let deltas = c.tensor("deltas", &of["deltas"]);
        let freq = as_weight(&mut c, file, "in.implicit_filter.1.freq", None);
        let tables = [z, t, deltas, freq];
        let mut expected = vec![kernel(&mut c, file, "implicit_filter", "out.k", tables)];
        if file.tensors.contains_key("out.k_rev") {
            expected.push(kernel(&mut c, file, "implicit_filter_rev", "out.k_rev", tables));
        }
        let rows = [RowSpec { key: 0, length, valid: length }];
        run(file, c, &rows, expected, true);
    }
}

fn kernel(c: &mut Case, file: &OpFile, mlp: &str, out: &str, tables: [NodeId; 4]) -> Expected {
    let mut operands = tables.to_vec();
    for layer in [0, 2, 4] {
        operands.push(as_weight(c, file, &format!("in.{mlp}.{layer}.weight"), None));
        operands.push(as_weight(c, file, &format!("in.{mlp}.{layer}.bias"), None));
    }
    operands.push(as_weight(c, file, &format!("in.{mlp}.6.weight"), None));
    let w_mod = file.params["w_mod"].as_f64().unwrap_or(1.0);
    let node = c.g.named(out, ImplicitFilter { w_mod }, &operands).unwrap();
    Expected { tensor: out.into(), node, arrange: Arrange::Channels }
}

/// The tables themselves, built from nothing: t and deltas to the last bit, z to the sine's rounding.
#[test]
pub fn golden_filter_tables() {
    let files: Vec<OpFile> = files("filter_");
    let mut compared = 0;
    for file in files.iter().filter(|f| !f.name.contains("_tables")) {
        let of = tensors(&tree().m2bert().join(file.params["tables"].as_str().unwrap()));
        let positions = file.params["l_max"].as_u64().unwrap() as usize;
        let same = |t: &HostTensor, ours: &[f32]| assert_eq!(&*t.to_f32(), &ours[..t.len()]);
        same(&of["t"], &tables::times(positions));
        same(&of["deltas"], &tables::decay_rates(of["deltas"].len()));
        let z = &of["z_init"];
        let ours = tables::position_features(positions, z.shape()[2]);
        assert!(z.to_f32().iter().zip(&ours).all(|(a, b)| (a - b).abs() < 5e-7), "{}", file.name);
        compared += 1;
    }
    assert!(compared > 0 || files.is_empty());
}
