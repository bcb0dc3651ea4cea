//! The device that golden tests run on: the CPU, or inside [`on_the_gpu`] the GPU.

use std::{cell::RefCell, rc::Rc};

use m2::{Device, Error, GpuOptions};
use m2_wgpu::{Limits, Options, ProductVariant};
use pollster::block_on;

thread_local! {
    static GPU: RefCell<Option<Rc<Device>>> = const { RefCell::new(None) };
}

/// The device of this thread's test.
pub fn current() -> Rc<Device> {
    GPU.with_borrow(|gpu| gpu.clone()).unwrap_or_else(|| Rc::new(Device::cpu(0)))
}

/// Opens the GPU, or software adapter, that the environment selects; none where there is none.
pub fn gpu() -> Option<Device> {
    gpu_with(Options::default()).unwrap()
}

/// The same within some limits.
pub fn gpu_within(limits: Limits) -> Result<Option<Device>, Error> {
    gpu_with(Options { limits, ..Options::default() })
}

/// The same, though it may be a software adapter, as it serves a GPU: products through workgroup
/// memory, with layer norms inside them.
pub fn as_gpus_are() -> Option<Device> {
    let products = Some(ProductVariant::Tiled);
    gpu_with(Options { products, norms_in_products: true, ..Options::default() }).unwrap()
}

/// The same with some options.
pub fn gpu_with(device: Options) -> Result<Option<Device>, Error> {
    let required = std::env::var_os("M2_REQUIRE_GPU").is_some();
    match block_on(Device::gpu(GpuOptions { device, kernels: None })) {
        Ok(device) => Ok(Some(device)),
        Err(Error::Gpu(m2_wgpu::Error::NoAdapter { .. })) if !required => {
            println!("skipped: no adapter");
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

/// Runs tests of this thread on a GPU, where there is one.
pub fn on_the_gpu(gpu: Option<Device>, tests: &[fn()]) {
    let Some(device) = gpu else { return };
    GPU.set(Some(Rc::new(device)));
    tests.iter().for_each(|test| test());
    GPU.set(None);
}
