//! The device that a page names.

use m2::{Device, GpuOptions};

/// Opens `gpu` or `cpu`.
///
/// # Errors
/// With a message when there is no such device, or it fails.
pub(crate) async fn open(name: &str) -> Result<Device, String> {
    match name {
        "cpu" => Ok(Device::cpu(1)),
        "gpu" => Device::gpu(GpuOptions::default()).await.map_err(|e| e.to_string()),
        other => Err(format!("unknown device {other}; there are gpu and cpu")),
    }
}
