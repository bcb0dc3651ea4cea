//! Where models run.

use std::fmt;

use m2_cpu::CpuBackend;
use m2_ir::{Backend, Batch, HostTensor, Parameters, Plan, Target};

use crate::Error;
#[cfg(feature = "gpu")]
use crate::{Gpu, GpuOptions};

/// A device that runs plans.
pub enum Device {
    /// Threads and SIMD lanes of this machine.
    Cpu(CpuBackend),
    /// A GPU, or a software adapter, through WebGPU, Vulkan, Metal or DX12.
    #[cfg(feature = "gpu")]
    Gpu(Box<Gpu>),
}

/// Weights on a device, shared by a model's programs.
pub enum DeviceWeights {
    /// On the CPU.
    Cpu(<CpuBackend as Backend>::Weights),
    /// On a GPU.
    #[cfg(feature = "gpu")]
    Gpu(m2_wgpu::Weights),
}

/// A plan made ready on a device.
#[derive(Debug)]
pub enum DeviceProgram {
    /// On the CPU.
    Cpu(Box<<CpuBackend as Backend>::Program>),
    /// On a GPU.
    #[cfg(feature = "gpu")]
    Gpu(Box<m2_wgpu::Program>),
}

/// A run that was begun on a device.
#[derive(Debug)]
pub enum DeviceRun {
    /// On the CPU.
    Cpu(<CpuBackend as Backend>::Run),
    /// On a GPU.
    #[cfg(feature = "gpu")]
    Gpu(m2_wgpu::Run),
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

    /// A GPU, or a software adapter.
    ///
    /// # Errors
    /// When there is no such adapter, or it refuses.
    #[cfg(feature = "gpu")]
    pub async fn gpu(options: GpuOptions) -> Result<Self, Error> {
        Ok(Device::Gpu(Box::new(Gpu::open(options).await?)))
    }

    /// Opens the device again if this error says that it was lost; whether it did. Programs and
    /// weights of the lost one are of no use any more.
    ///
    /// # Errors
    /// When the device is gone for good.
    pub async fn heal(&mut self, error: &Error) -> Result<bool, Error> {
        match (self, error) {
            #[cfg(feature = "gpu")]
            (Device::Gpu(gpu), Error::Gpu(m2_wgpu::Error::DeviceLost(_))) => {
                gpu.reopen().await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Waits until everything that was run is done, so that it can be timed.
    ///
    /// # Errors
    /// When the device fails.
    pub fn wait(&self) -> Result<(), Error> {
        match self {
            Device::Cpu(_) => Ok(()),
            #[cfg(feature = "gpu")]
            Device::Gpu(gpu) => Ok(gpu.backend().wait()?),
        }
    }

    /// What plans for this device have to respect.
    pub fn target(&self) -> Target {
        match self {
            Device::Cpu(b) => b.target(),
            #[cfg(feature = "gpu")]
            Device::Gpu(gpu) => gpu.backend().target(),
        }
    }

    /// An empty store of weights.
    pub fn weights(&self) -> DeviceWeights {
        match self {
            Device::Cpu(b) => DeviceWeights::Cpu(b.weights()),
            #[cfg(feature = "gpu")]
            Device::Gpu(gpu) => DeviceWeights::Gpu(gpu.backend().weights()),
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
                Ok(DeviceProgram::Cpu(Box::new(b.load(plan, params, w).await?)))
            }
            #[cfg(feature = "gpu")]
            (Device::Gpu(gpu), DeviceWeights::Gpu(w)) => {
                let compiled = gpu.backend().created().pipelines;
                let program = gpu.backend().load(plan, params, w).await?;
                gpu.keep_kernels(compiled);
                Ok(DeviceProgram::Gpu(Box::new(program)))
            }
            #[cfg(feature = "gpu")]
            _ => Err(Error::OtherDevice),
        }
    }

    /// See [`Backend::run`].
    ///
    /// # Errors
    /// When the batch does not fit the plan, too many runs are in flight, or the device fails.
    pub async fn run(
        &self,
        program: &mut DeviceProgram,
        batch: &Batch,
    ) -> Result<DeviceRun, Error> {
        match (self, program) {
            (Device::Cpu(b), DeviceProgram::Cpu(p)) => Ok(DeviceRun::Cpu(b.run(p, batch).await?)),
            #[cfg(feature = "gpu")]
            (Device::Gpu(gpu), DeviceProgram::Gpu(p)) => {
                Ok(DeviceRun::Gpu(gpu.backend().run(p, batch).await?))
            }
            #[cfg(feature = "gpu")]
            _ => Err(Error::OtherDevice),
        }
    }

    /// See [`Backend::in_flight`].
    pub fn in_flight(&self, program: &DeviceProgram) -> usize {
        match (self, program) {
            #[cfg(feature = "gpu")]
            (Device::Gpu(gpu), DeviceProgram::Gpu(p)) => gpu.backend().in_flight(p),
            _ => 1,
        }
    }

    /// See [`Backend::read`].
    ///
    /// # Errors
    /// When there is no such output, a later run has overwritten it, or the device fails.
    pub async fn read(
        &self,
        program: &DeviceProgram,
        run: &DeviceRun,
        output: usize,
    ) -> Result<HostTensor, Error> {
        match (self, program, run) {
            (Device::Cpu(b), DeviceProgram::Cpu(p), DeviceRun::Cpu(r)) => {
                Ok(b.read(p, r, output).await?)
            }
            #[cfg(feature = "gpu")]
            (Device::Gpu(gpu), DeviceProgram::Gpu(p), DeviceRun::Gpu(r)) => {
                Ok(gpu.backend().read(p, r, output).await?)
            }
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
