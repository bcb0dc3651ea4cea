//! `attention_pooler*` (m2-bert.md 6), through the block that models are wired of.

use m2_nn::{ModelConfig, blocks};

use super::{Arrange, Expected, files, run};
use crate::support::{
    case::{Case, Fill, RowSpec},
    golden::OpFile,
};

/// How many positions of the last row are valid: by a mask in the file, else by its note.
fn valid_of_last(file: &OpFile, length: usize) -> usize {
    let mask = ["in.mask", "in.attention_mask"].iter().find_map(|n| file.tensors.get(*n));
    if let Some(mask) = mask {
        let m = mask.to_f64();
        return m[m.len() - length..].iter().sum::<f64>() as usize;
    }
    let by_note = file
        .note
        .split("first ")
        .nth(1)
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
    by_note.unwrap_or_else(|| panic!("{}: neither mask nor note says what is valid", file.name))
}

#[test]
pub fn golden_attention_pooler() {
    for file in files("attention_pooler") {
        let x = file.get("in.hidden");
        let [b, s, h] = x.shape()[..] else { panic!("{}", file.name) };
        let inner = file.get("in.dense1.weight").shape()[0];
        let config = ModelConfig::from_json(&format!(
            r#"{{"monarch_mixer_sequence_mixing": true, "hidden_size": {h}, "monarch_mlp_nblocks": 1,
                "num_attention_heads": 1, "intermediate_size": {inner}, "attention_pooling": true}}"#
        ))
        .unwrap();
        let mut c = Case::new(0);
        let data = x.to_f64();
        let value = move |row: usize, t: usize, i: usize| data[(row * s + t) * h + i];
        let x = c.input("hidden", Fill::Tokens { width: h, value: std::rc::Rc::new(value) });
        let first = blocks::attention_pooling(&mut c.g, &config, "attended", x).unwrap();
        let node = blocks::pooler(&mut c.g, &config, "pooled", first).unwrap();
        for (name, tensor) in &file.tensors {
            if let Some(name) = name.strip_prefix("in.").filter(|n| *n != "hidden") {
                c.params.insert(format!("bert.pooler.{name}"), tensor.clone());
            }
        }
        let valid = |row: usize| if row + 1 == b { valid_of_last(&file, s) } else { s };
        let rows: Vec<RowSpec> =
            (0..b).map(|key| RowSpec { key, length: s, valid: valid(key) }).collect();
        let y = Expected { tensor: "out.y".into(), node, arrange: Arrange::Rows };
        run(&file, c, &rows, vec![y], false);
    }
}
