//! What passes between opening a model and the first vector, part by part.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    Device, Encoder, EncoderOptions, Error, Model, OpenOptions,
    files::safetensors::FiniteCheck,
    open::{mapped, read_weights},
    read_config, read_tokenizer,
};

/// The parts of a start. What a process does before and after is not among them.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// From nothing to a model: the tokenizer on one thread beside the weights on the others.
    pub open: Duration,
    /// Making ids of the text.
    pub tokenise: Duration,
    /// Planning, packing weights, allocating.
    pub pack: Duration,
    /// The first forward pass, on fresh memory.
    pub forward: Duration,
    /// Reading the tokenizer, alone.
    pub tokenizer: Duration,
    /// Reading the weights, alone and unchecked.
    pub read: Duration,
    /// Looking for NaN and infinity in what was read, on one thread; in `open` it is done chunk by
    /// chunk while they are in cache.
    pub check: Duration,
}

impl Start {
    /// All that leads to the first vector.
    pub fn total(&self) -> Duration {
        self.open + self.tokenise + self.pack + self.forward
    }
}

/// Opens a model, embeds one text, then times what was done side by side once more, each part alone.
///
/// # Errors
/// As [`Model::open`] and [`Encoder::embed`].
pub fn start(folder: &Path, device: Device, text: &str) -> Result<Start, Error> {
    let mut clock = Clock(Instant::now());
    let model = Model::open(folder, device, OpenOptions::default())?;
    let open = clock.lap();
    let mut encoder = Encoder::new(model, EncoderOptions::default())?;
    let prepared = encoder.prepare(&[text])?;
    let tokenise = clock.lap();
    pollster::block_on(encoder.load(&prepared))?;
    let pack = clock.lap();
    pollster::block_on(encoder.embed_prepared(&prepared, &mut |_| true))?;
    let forward = clock.lap();
    read_tokenizer(folder)?;
    let tokenizer = clock.lap();
    let config = read_config(folder)?;
    let weights = read_weights(folder, &config, OpenOptions::default(), FiniteCheck::Never)?;
    let read = clock.lap();
    for (name, tensor) in weights.tensors.iter().filter(|(name, _)| !mapped(name)) {
        m2_nn::checkpoint::check_finite(name, tensor)
            .map_err(|e| Error::checkpoint(folder.display().to_string(), e))?;
    }
    let check = clock.lap();
    Ok(Start { open, tokenise, pack, forward, tokenizer, read, check })
}

/// A clock that gives the time since it was asked last.
struct Clock(Instant);

impl Clock {
    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.0, now)
    }
}
