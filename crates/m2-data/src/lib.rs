//! Text on its way into a model: reading, tokenising, cutting and padding.

pub mod chunk;
pub mod fit;
pub mod html;
pub mod records;
mod segments;
pub mod tokenizer;
mod tokenizer_file;

pub use chunk::{Chunk, ChunkSize, chunks};
pub use fit::{Fitted, Policy, fit};
pub use html::strip_tags;
pub use records::{Format, Record, RecordError, Records};
pub use tokenizer::{BERT_BASE_UNCASED_VOCAB, Encoding, SpecialIds, Tokenizer, TokenizerError};
