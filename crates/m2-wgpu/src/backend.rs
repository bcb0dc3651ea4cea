//! The [`Backend`] of a GPU.

use m2_ir::{Backend, Batch, HostTensor, Kind, Layout, Parameters, Plan, Target};

use crate::{
    Adapter, Created, Error, Options, Program, Weights,
    adapter::open,
    gpu::Gpu,
    program::Settings,
    variants::{Products, product_variant},
};

/// Most points of a transform that one workgroup does: eight for each of 256 invocations.
const MAX_TRANSFORM: usize = 2048;

/// An opened GPU.
#[derive(Debug)]
pub struct WgpuBackend {
    pub(crate) gpu: Gpu,
    adapter: Adapter,
    target: Target,
    settings: Settings,
}

impl WgpuBackend {
    /// Opens a device.
    ///
    /// # Errors
    /// When no adapter fits the options, or it refuses.
    pub async fn open(options: &Options) -> Result<Self, Error> {
        let (gpu, adapter, limits) = open(options).await?;
        let max_binding = limits.max_storage_buffer_binding_size;
        let target = Target {
            name: adapter.short(),
            kind: Kind::Gpu,
            layout: Layout::ChannelMajor,
            max_binding,
            max_buffer: limits.max_buffer_size,
            ..Target::webgpu()
        };
        // A point is a complex number of eight bytes.
        let points = limits.max_compute_workgroup_storage_size as usize / 8;
        let fits = if points.is_power_of_two() { points } else { points.next_power_of_two() / 2 };
        let longest = options.longest_transform.unwrap_or(MAX_TRANSFORM);
        let products = Products {
            variant: options.products.unwrap_or_else(|| product_variant(&adapter)),
            slices: options.slices,
            weights: options.weights,
        };
        let longest_transform = longest.min(MAX_TRANSFORM).min(fits);
        let settings = Settings { longest_transform, max_binding, products };
        Ok(WgpuBackend { gpu, adapter, target, settings })
    }

    /// The adapter that was opened.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// Objects of the device made so far.
    pub fn created(&self) -> Created {
        self.gpu.created()
    }

    /// Fills every buffer that a run of the program writes with NaN, so that a test can show that
    /// nothing is read before it is written.
    pub fn poison(&self, program: &Program) {
        program.poison(&self.gpu);
    }

    /// Waits until everything that was run is done, so that it can be timed.
    ///
    /// # Errors
    /// When the device fails.
    pub fn wait(&self) -> Result<(), Error> {
        self.gpu.wait()
    }

    /// Destroys the device: whatever is asked of it afterwards fails with [`Error::DeviceLost`].
    pub fn destroy(&self) {
        self.gpu.device.destroy();
    }
}

impl Backend for WgpuBackend {
    type Error = Error;
    type Weights = Weights;
    type Program = Program;

    fn target(&self) -> Target {
        self.target.clone()
    }

    fn weights(&self) -> Weights {
        Weights::default()
    }

    async fn load(
        &self,
        plan: Plan,
        params: &dyn Parameters,
        weights: &mut Weights,
    ) -> Result<Program, Error> {
        if plan.target.kind != Kind::Gpu || plan.target.layout != Layout::ChannelMajor {
            return Err(Error::Plan(plan.target.name));
        }
        self.gpu.check()?;
        Program::load(&self.gpu, plan, params, weights, self.settings).await
    }

    async fn run(&self, program: &mut Program, batch: &Batch) -> Result<(), Error> {
        self.gpu.check()?;
        program.run(&self.gpu, batch)
    }

    async fn read(&self, program: &Program, output: usize) -> Result<HostTensor, Error> {
        self.gpu.check()?;
        program.read(&self.gpu, output).await
    }
}
