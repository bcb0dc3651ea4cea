//! The CPU as a backend.

use m2_ir::{Backend, Batch, HostTensor, Parameters, Plan, Target};

use crate::{Error, array::Array, reference};

/// Runs plans on this machine's threads.
#[derive(Debug)]
pub struct CpuBackend {
    threads: usize,
    memory: u64,
}

/// Weights as the kernels read them, by name.
#[derive(Debug, Default)]
pub struct CpuWeights {
    tensors: std::collections::BTreeMap<String, HostTensor>,
}

/// A plan with its weights and buffers.
#[derive(Debug)]
pub struct CpuProgram {
    plan: Plan,
    params: std::collections::BTreeMap<String, HostTensor>,
    outputs: Vec<Array<f32>>,
}

impl CpuBackend {
    /// A backend with so many threads; 0 takes all there are.
    pub fn new(threads: usize) -> Self {
        let all = std::thread::available_parallelism().map_or(1, |n| n.get());
        CpuBackend { threads: if threads == 0 { all } else { threads }, memory: u64::MAX }
    }

    /// Refuses plans that need more memory than this, in bytes.
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.threads
    }
}

impl Backend for CpuBackend {
    type Error = Error;
    type Weights = CpuWeights;
    type Program = CpuProgram;

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
        for node in plan.graph.nodes().iter().filter(|n| n.op == m2_ir::Op::Param) {
            if !weights.tensors.contains_key(&node.name)
                && let Some(t) = params.get(&node.name)
            {
                weights.tensors.insert(node.name.clone(), t);
            }
        }
        Ok(CpuProgram { plan, params: weights.tensors.clone(), outputs: Vec::new() })
    }

    async fn run(&self, program: &mut CpuProgram, batch: &Batch) -> Result<(), Error> {
        batch.check(&program.plan)?;
        program.outputs = reference::run(&program.plan.graph, &program.params, batch)?;
        Ok(())
    }

    async fn read(&self, program: &CpuProgram, output: usize) -> Result<HostTensor, Error> {
        let a = &program.outputs[output];
        Ok(HostTensor::from_f32(&a.shape, &a.data))
    }
}
