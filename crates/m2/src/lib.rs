//! M2 for applications: models as folders, texts in, vectors and answers out.

mod device;
mod error;
pub mod files;
pub mod verify;

pub use device::{Device, DeviceProgram, DeviceWeights};
pub use error::Error;
