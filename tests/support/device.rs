//! The device that golden tests run on: the CPU, or inside [`on_the_gpu`] the GPU.

use std::{cell::RefCell, rc::Rc};

use m2::{Device, GpuOptions};
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
    match block_on(Device::gpu(GpuOptions::default())) {
        Ok(device) => Some(device),
        Err(e) => {
            assert!(std::env::var_os("M2_REQUIRE_GPU").is_none(), "{e}");
            println!("skipped: {e}");
            None
        }
    }
}

/// Runs tests of this thread on the GPU.
pub fn on_the_gpu(tests: &[fn()]) {
    let Some(device) = gpu() else { return };
    GPU.set(Some(Rc::new(device)));
    tests.iter().for_each(|test| test());
    GPU.set(None);
}
