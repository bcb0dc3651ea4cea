//! A GPU as a device: how it was opened, and what its driver has compiled, kept on disk.

use std::path::PathBuf;

use m2_ir::Plan;
use m2_wgpu::{Adapter, Options, Schedule, WgpuBackend};

use crate::Error;

/// How to open a GPU.
#[derive(Debug, Clone, Default)]
pub struct GpuOptions {
    /// Which adapter, with which limits.
    pub device: Options,
    /// Where to keep compiled kernels between processes, for drivers that hand them out; none: they
    /// are compiled anew.
    pub kernels: Option<PathBuf>,
}

/// An opened GPU with what opens it again.
#[derive(Debug)]
pub struct Gpu {
    backend: WgpuBackend,
    options: GpuOptions,
    reopened: u64,
}

impl Gpu {
    /// Opens a GPU.
    ///
    /// # Errors
    /// When there is no such adapter, or it refuses.
    pub async fn open(options: GpuOptions) -> Result<Self, Error> {
        let kept = |adapter: &Adapter| kernels::read(options.kernels.as_ref()?, adapter);
        let backend = WgpuBackend::open_with(&options.device, &kept).await?;
        Ok(Gpu { backend, options, reopened: 0 })
    }

    /// Opens it again after it was lost.
    ///
    /// # Errors
    /// When the adapter is gone, or refuses.
    pub async fn reopen(&mut self) -> Result<(), Error> {
        let reopened = self.reopened + 1;
        *self = Gpu { reopened, ..Gpu::open(self.options.clone()).await? };
        Ok(())
    }

    /// How often it was lost and opened again.
    pub fn reopened(&self) -> u64 {
        self.reopened
    }

    /// The backend.
    pub fn backend(&self) -> &WgpuBackend {
        &self.backend
    }

    /// The backend, to be told where to report progress.
    pub fn backend_mut(&mut self) -> &mut WgpuBackend {
        &mut self.backend
    }

    /// What running a plan will take.
    ///
    /// # Errors
    /// When something has no kernel or exceeds a limit.
    pub fn schedule(&self, plan: &Plan) -> Result<Schedule, Error> {
        Ok(self.backend.schedule(plan)?)
    }

    /// Keeps what the driver has compiled since `before` kernels. That it cannot be kept hurts
    /// nothing but the next start.
    pub(crate) fn keep_kernels(&self, before: u64) {
        if self.backend.created().pipelines == before {
            return;
        }
        if let (Some(folder), Some(data)) = (&self.options.kernels, self.backend.compiled()) {
            kernels::write(folder, self.backend.adapter(), &data);
        }
    }
}

/// Files of compiled kernels: a digest, then what the driver gave.
#[cfg(not(target_arch = "wasm32"))]
mod kernels {
    use std::path::{Path, PathBuf};

    use m2_wgpu::Adapter;
    use sha2::{Digest, Sha256};

    use crate::files::atomic;

    /// More than any driver's cache for our kernels.
    const MAX: u64 = 256 << 20;

    fn path(folder: &Path, adapter: &Adapter) -> PathBuf {
        folder.join(format!("{}.bin", adapter.key))
    }

    /// What an earlier process kept; a damaged file counts as none.
    pub fn read(folder: &Path, adapter: &Adapter) -> Option<Vec<u8>> {
        let path = path(folder, adapter);
        let fits = std::fs::metadata(&path).is_ok_and(|m| m.is_file() && m.len() <= MAX);
        let bytes = fits.then(|| std::fs::read(&path).ok())??;
        let (digest, data) = bytes.split_at_checked(32)?;
        (Sha256::digest(data).as_slice() == digest).then(|| data.to_vec())
    }

    pub fn write(folder: &Path, adapter: &Adapter, data: &[u8]) {
        if std::fs::create_dir_all(folder).is_ok() {
            let _ = atomic::write(&path(folder, adapter), |out| {
                out.write_all(&Sha256::digest(data))?;
                out.write_all(data)
            });
        }
    }
}

/// A browser keeps compiled kernels by itself.
#[cfg(target_arch = "wasm32")]
mod kernels {
    use std::path::Path;

    use m2_wgpu::Adapter;

    pub fn read(_: &Path, _: &Adapter) -> Option<Vec<u8>> {
        None
    }

    pub fn write(_: &Path, _: &Adapter, _: &[u8]) {}
}
