//! M2 for applications: models as folders, texts in, vectors and answers out.
//!
//! ```no_run
//! let mut encoder = m2::Encoder::open("all-MiniLM-L6-v2")?;
//! let vectors = encoder.embed(&["A man is eating food.", "Someone has lunch."])?;
//! println!("similarity {:.3}", vectors.cosine(0, 1));
//! # Ok::<(), m2::Error>(())
//! ```

mod batching;
#[cfg(not(target_arch = "wasm32"))]
pub mod bench;
mod classifier;
mod device;
mod encoder;
mod error;
pub mod files;
mod fill_mask;
#[cfg(not(target_arch = "wasm32"))]
pub mod folder;
#[cfg(not(target_arch = "wasm32"))]
pub mod fresh;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(all(feature = "index", not(target_arch = "wasm32")))]
pub mod index;
#[cfg(not(target_arch = "wasm32"))]
pub mod inspect;
#[cfg(not(target_arch = "wasm32"))]
mod locate;
pub mod model;
#[cfg(not(target_arch = "wasm32"))]
mod open;
mod run;
mod settings;
mod texts;
#[cfg(not(target_arch = "wasm32"))]
pub mod vectors;
pub mod verify;

pub use classifier::{Classes, Classifier};
pub use device::{Device, DeviceProgram, DeviceRun, DeviceWeights};
pub use encoder::{Embeddings, Encoder, EncoderOptions, Prepared, TextInfo, cosine};
pub use error::Error;
pub use fill_mask::{Answer, Candidate, FillMask};
#[cfg(feature = "gpu")]
pub use gpu::{Gpu, GpuOptions};
#[cfg(not(target_arch = "wasm32"))]
pub use locate::{DEFAULT_MODEL, locate};
pub use m2_data::Policy;
pub use model::Model;
#[cfg(not(target_arch = "wasm32"))]
pub use open::{OpenOptions, read_config, read_tokenizer};
pub use settings::{Pooling, Settings};
pub use texts::TextOptions;
