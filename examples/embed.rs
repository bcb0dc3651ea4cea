//! Prints the vector of a text: `embed [MODEL [TEXT]]`, after `m2 pull all-MiniLM-L6-v2`.

use std::env;

use m2::Encoder;

fn main() -> Result<(), m2::Error> {
    let model = env::args().nth(1).unwrap_or("all-MiniLM-L6-v2".into());
    let text = env::args().nth(2).unwrap_or("A man is eating food.".into());

    let mut encoder = Encoder::open(model)?;
    let vectors = encoder.embed(&[text])?;
    println!("{:?}", vectors.row(0));
    Ok(())
}
