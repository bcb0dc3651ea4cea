//! The [`Backend`] of a GPU.

use std::fmt;

use m2_ir::{Backend, Batch, HostTensor, Kind, Layout, Parameters, Plan, Target};

use crate::{
    Adapter, Created, Error, Options, Program, Run, Schedule, Timed, Weights,
    adapter::{Opened, open},
    gpu::Gpu,
    pipelines::Progress,
    settings::Settings,
};

/// An opened GPU.
pub struct WgpuBackend {
    pub(crate) gpu: Gpu,
    adapter: Adapter,
    target: Target,
    settings: Settings,
    progress: Option<Box<Progress>>,
}

impl fmt::Debug for WgpuBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WgpuBackend").field("adapter", &self.adapter).finish_non_exhaustive()
    }
}

impl WgpuBackend {
    /// Opens a device.
    ///
    /// # Errors
    /// When no adapter fits the options, or it refuses.
    pub async fn open(options: &Options) -> Result<Self, Error> {
        Self::open_with(options, &|_| None).await
    }

    /// As [`WgpuBackend::open`]; `compiled` gives what [`WgpuBackend::compiled`] gave an earlier
    /// process for the chosen adapter, unchanged.
    ///
    /// # Errors
    /// When no adapter fits the options, or it refuses.
    pub async fn open_with(
        options: &Options,
        compiled: &dyn Fn(&Adapter) -> Option<Vec<u8>>,
    ) -> Result<Self, Error> {
        let Opened { gpu, adapter, limits } = open(options, compiled).await?;
        let settings = Settings::of(&limits, options, adapter.class);
        let target = Target {
            name: adapter.short(),
            kind: Kind::Gpu,
            layout: Layout::ChannelMajor,
            max_binding: settings.max_binding,
            max_buffer: settings.max_buffer,
            max_memory: settings.max_memory,
            norms_in_products: settings.products.norms,
            ..Target::webgpu()
        };
        Ok(WgpuBackend { gpu, adapter, target, settings, progress: None })
    }

    /// Tells `progress` how many of how many kernels are compiled while a plan is loaded.
    pub fn on_compile(&mut self, progress: impl Fn(usize, usize) + Send + Sync + 'static) {
        self.progress = Some(Box::new(progress));
    }

    /// The adapter that was opened.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// Objects of the device made so far.
    pub fn created(&self) -> Created {
        self.gpu.created()
    }

    /// Bytes of all buffers that live now.
    pub fn live_bytes(&self) -> u64 {
        self.gpu.live_bytes()
    }

    /// The most bytes of buffers that have lived at once.
    pub fn peak_bytes(&self) -> u64 {
        self.gpu.peak_bytes()
    }

    /// What running a plan will take here.
    ///
    /// # Errors
    /// As when the plan is loaded: what has no kernel or exceeds a limit.
    pub fn schedule(&self, plan: &Plan) -> Result<Schedule, Error> {
        Schedule::of(plan, &self.settings)
    }

    /// What the driver has compiled, for the next process; none where the
    /// driver keeps nothing.
    pub fn compiled(&self) -> Option<Vec<u8>> {
        self.gpu.pipelines.data()
    }

    /// Runs one batch and times each dispatch by the device's clock, which takes longer than a run.
    ///
    /// # Errors
    /// As a run; and when the device has no clock.
    pub async fn profile(&self, program: &Program, batch: &Batch) -> Result<Vec<Timed>, Error> {
        self.gpu.check()?;
        program.profile(&self.gpu, batch).await
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

    /// Destroys the device after so many more dispatches, in the midst of a load or a run.
    pub fn destroy_after(&self, dispatches: u64) {
        self.gpu.countdown.start(dispatches);
    }
}

impl Backend for WgpuBackend {
    type Error = Error;
    type Weights = Weights;
    type Program = Program;
    type Run = Run;

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
        let progress = self.progress.as_deref();
        Program::load(&self.gpu, plan, params, weights, self.settings, progress).await
    }

    async fn run(&self, program: &mut Program, batch: &Batch) -> Result<Run, Error> {
        self.gpu.check()?;
        program.run(&self.gpu, batch)
    }

    fn in_flight(&self, program: &Program) -> usize {
        program.in_flight()
    }

    async fn read(&self, program: &Program, run: &Run, output: usize) -> Result<HostTensor, Error> {
        self.gpu.check()?;
        program.read(&self.gpu, run, output).await
    }
}
