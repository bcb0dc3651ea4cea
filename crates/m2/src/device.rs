//! Where models run.

use std::fmt;

use m2_cpu::CpuBackend;
use m2_ir::{Backend, Batch, HostTensor, Parameters, Plan, Target};

use crate::Error;

/// A device that runs plans.
pub enum Device {
    /// Threads and SIMD lanes of this machine.
    Cpu(CpuBackend),
    /// A GPU, or a software adapter, through WebGPU, Vulkan, Metal or DX12.
    #[cfg(feature = "gpu")]
    Gpu(Box<m2_wgpu::WgpuBackend>),
}

/// Weights on a device, shared by a model's programs.
pub enum DeviceWeights {
    /// On the CPU.
    Cpu(<CpuBackend as Backend>::Weights),
    /// On a GPU.
    #[cfg(feature = "gpu")]
    Gpu(<m2_wgpu::WgpuBackend as Backend>::Weights),
}

/// A plan made ready on a device.
#[derive(Debug)]
pub enum DeviceProgram {
    /// On the CPU.
    Cpu(<CpuBackend as Backend>::Program),
    /// On a GPU.
    #[cfg(feature = "gpu")]
    Gpu(<m2_wgpu::WgpuBackend as Backend>::Program),
}

impl Device {
    /// The CPU with so many threads; 0 takes all there are.
    pub fn cpu(threads: usize) -> Self {
        Device::Cpu(CpuBackend::new(threads))
    }

    /// The same; plans that need more memory than so many bytes are refused.
    pub fn cpu_with_memory(threads: usize, bytes: u64) -> Self {
        Device::Cpu(CpuBackend::new(threads).with_memory(bytes))
    }

    /// A GPU: `gpu` for the best there is, `gpu:1` by its place in the list, else by name.
    ///
    /// # Errors
    /// When there is no such adapter, or it refuses.
    #[cfg(feature = "gpu")]
    pub async fn gpu(name: &str) -> Result<Self, Error> {
        Device::gpu_with(name, m2_wgpu::Options::default()).await
    }

    /// The same with other options than the name of the adapter.
    ///
    /// # Errors
    /// When there is no such adapter, or it refuses.
    #[cfg(feature = "gpu")]
    pub async fn gpu_with(name: &str, options: m2_wgpu::Options) -> Result<Self, Error> {
        let Ok(adapter) = name.parse();
        let options = m2_wgpu::Options { adapter, ..options };
        Ok(Device::Gpu(Box::new(m2_wgpu::WgpuBackend::open(&options).await?)))
    }

    /// What plans for this device have to respect.
    pub fn target(&self) -> Target {
        match self {
            Device::Cpu(b) => b.target(),
            #[cfg(feature = "gpu")]
            Device::Gpu(b) => b.target(),
        }
    }

    /// An empty store of weights.
    pub fn weights(&self) -> DeviceWeights {
        match self {
            Device::Cpu(b) => DeviceWeights::Cpu(b.weights()),
            #[cfg(feature = "gpu")]
            Device::Gpu(b) => DeviceWeights::Gpu(b.weights()),
        }
    }

    /// See [`Backend::load`].
    ///
    /// # Errors
    /// When a weight is missing or has another shape, or the device has not enough of something.
    pub async fn load(
        &self,
        plan: Plan,
        params: &dyn Parameters,
        weights: &mut DeviceWeights,
    ) -> Result<DeviceProgram, Error> {
        match (self, weights) {
            (Device::Cpu(b), DeviceWeights::Cpu(w)) => {
                Ok(DeviceProgram::Cpu(b.load(plan, params, w).await?))
            }
            #[cfg(feature = "gpu")]
            (Device::Gpu(b), DeviceWeights::Gpu(w)) => {
                Ok(DeviceProgram::Gpu(b.load(plan, params, w).await?))
            }
            #[cfg(feature = "gpu")]
            _ => Err(Error::OtherDevice),
        }
    }

    /// See [`Backend::run`].
    ///
    /// # Errors
    /// When the batch does not fit the plan, or the device fails.
    pub async fn run(&self, program: &mut DeviceProgram, batch: &Batch) -> Result<(), Error> {
        match (self, program) {
            (Device::Cpu(b), DeviceProgram::Cpu(p)) => Ok(b.run(p, batch).await?),
            #[cfg(feature = "gpu")]
            (Device::Gpu(b), DeviceProgram::Gpu(p)) => Ok(b.run(p, batch).await?),
            #[cfg(feature = "gpu")]
            _ => Err(Error::OtherDevice),
        }
    }

    /// See [`Backend::read`].
    ///
    /// # Errors
    /// When the device fails.
    pub async fn read(&self, program: &DeviceProgram, output: usize) -> Result<HostTensor, Error> {
        match (self, program) {
            (Device::Cpu(b), DeviceProgram::Cpu(p)) => Ok(b.read(p, output).await?),
            #[cfg(feature = "gpu")]
            (Device::Gpu(b), DeviceProgram::Gpu(p)) => Ok(b.read(p, output).await?),
            #[cfg(feature = "gpu")]
            _ => Err(Error::OtherDevice),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.target().name)
    }
}
