//! The library in a browser: bytes in, JSON out.
//!
//! There are no files here: whoever calls has fetched them. Every call is asynchronous, since a
//! browser's GPU answers only when its thread is free.

mod device;
mod embed;
mod verify;

use wasm_bindgen::prelude::wasm_bindgen;

pub use embed::embed_seeded;
pub use verify::verify;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(message: &str);
}

/// Runs when the module is loaded: a mistake of ours is then named on the console, not just a trap.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| console_error(&panic.to_string())));
}
