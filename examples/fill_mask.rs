//! Fills the masked words of a text in: `fill_mask FOLDER "The capital of France is [MASK]."`

use std::{env, error::Error, path::Path};

use m2::{Device, FillMask, Model, OpenOptions, TextOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    let [_, folder, text] = &arguments[..] else {
        return Err("usage: fill_mask FOLDER TEXT, where the text has a [MASK]".into());
    };
    let model = Model::open(Path::new(folder), Device::cpu(0), OpenOptions::default())?;
    let mut fill = FillMask::new(model, TextOptions::default())?;
    for answer in pollster::block_on(fill.fill(text, 5))? {
        println!("token {}:", answer.position);
        for candidate in answer.candidates {
            let token = candidate.token.unwrap_or_default();
            println!("  {:>5.1} %  {token}", 100.0 * candidate.probability);
        }
    }
    Ok(())
}
