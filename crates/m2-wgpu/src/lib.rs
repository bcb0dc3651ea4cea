//! The GPU backend: plans run as WGSL kernels through Vulkan, Metal, DX12 or a browser's WebGPU.
//!
//! Loading a plan makes everything that running it needs; a run writes its inputs, replays the
//! dispatches in one pass and makes no object of the device. A tensor with a symbolic leading axis,
//! (T, H) say, lies as (H, T) with the tokens of a channel contiguous.
//!
//! ```no_run
//! use m2_ir::{Backend, DType, Dim, Expr, Unary, ops::Elementwise};
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let gpu = m2_wgpu::WgpuBackend::open(&m2_wgpu::Options::default()).await?;
//! let mut g = m2_ir::Builder::new();
//! let x = g.input("x", [Dim::Tokens, Dim::Fixed(8)], DType::F32);
//! let y = g.add(Elementwise::new(Expr::input(0).unary(Unary::Gelu)), &[x])?;
//! g.output("y", y);
//! let rows = m2_ir::RowTable::new([(5, 5)])?;
//! let x = m2_ir::HostTensor::from_f32(&[8, 8], &[0.5; 64]);
//! let batch = m2_ir::Batch::from_rows(rows).with_input("x", x);
//! let class = batch.sizes().class();
//! let plan = m2_ir::plan::lower(&g.finish(), &gpu.target(), class, m2_ir::plan::Fusion::Full)?;
//! let mut weights = gpu.weights();
//! let params = std::collections::BTreeMap::new();
//! let mut program = gpu.load(plan, &params, &mut weights).await?;
//! let run = gpu.run(&mut program, &batch).await?;
//! println!("{:?}", gpu.read(&program, &run, 0).await?.to_f32());
//! # Ok(())
//! # }
//! ```

mod adapter;
mod backend;
#[cfg(not(target_arch = "wasm32"))]
mod bench;
mod buffer;
mod details;
mod draft;
mod error;
mod gpu;
mod launch;
mod layout;
mod lowering;
mod memory;
mod ops;
mod parts;
mod pipelines;
mod profile;
mod program;
mod readback;
mod schedule;
mod settings;
mod sizes;
mod submit;
mod tables;
mod upload;
mod variants;
mod weights;

pub use adapter::{Adapter, Choice, Class, Limits, Options, adapters};
pub use backend::WgpuBackend;
pub use details::{Details, Variant, details};
pub use error::Error;
pub use gpu::Created;
pub use memory::Memory;
pub use profile::Timed;
pub use program::Program;
pub use readback::Run;
pub use schedule::{Planned, Schedule};
pub use submit::Recorded;
pub use variants::{ProductVariant, Storage};
pub use weights::Weights;
