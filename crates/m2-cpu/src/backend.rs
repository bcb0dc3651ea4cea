//! The CPU as a backend.

use m2_ir::{Backend, Batch, HostTensor, Parameters, Plan, Target};

use crate::{CpuProgram, CpuRun, CpuWeights, Error, Isa, Pool, engine::Machine};

/// Runs plans on this machine's threads.
#[derive(Debug)]
pub struct CpuBackend {
    pool: Pool,
    isa: Isa,
    memory: u64,
}

impl CpuBackend {
    /// A backend with so many threads; 0 takes all there are.
    pub fn new(threads: usize) -> Self {
        let all = || std::thread::available_parallelism().map_or(1, |n| n.get());
        let threads = if threads == 0 { all() } else { threads };
        CpuBackend { pool: Pool::new(threads), isa: Isa::detect(), memory: u64::MAX }
    }

    /// Refuses plans that need more memory than this, in bytes.
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Uses the kernels of one instruction set, which has to be one that this machine has.
    pub fn with_isa(mut self, isa: Isa) -> Self {
        self.isa = isa;
        self
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// The instruction set of the kernels.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    fn machine(&self) -> Machine<'_> {
        Machine { pool: &self.pool, isa: self.isa }
    }
}

impl Backend for CpuBackend {
    type Error = Error;
    type Weights = CpuWeights;
    type Program = CpuProgram;
    type Run = CpuRun;

    fn target(&self) -> Target {
        Target::cpu(self.memory)
    }

    fn weights(&self) -> CpuWeights {
        CpuWeights::default()
    }

    async fn load(
        &self,
        plan: Plan,
        params: &dyn Parameters,
        weights: &mut CpuWeights,
    ) -> Result<CpuProgram, Error> {
        CpuProgram::load(&self.machine(), plan, params, weights)
    }

    async fn run(&self, program: &mut CpuProgram, batch: &Batch) -> Result<CpuRun, Error> {
        program.run(&self.machine(), batch)
    }

    fn in_flight(&self, _: &CpuProgram) -> usize {
        1
    }

    async fn read(
        &self,
        program: &CpuProgram,
        run: &CpuRun,
        output: usize,
    ) -> Result<HostTensor, Error> {
        program.read(run, output)
    }
}
