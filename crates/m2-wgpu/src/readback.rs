//! Where the host reads outputs: a ring of staging buffers, so that a run may begin while earlier
//! ones wait to be read.

use std::{
    sync::{Arc, Mutex},
    task::{Poll, Waker},
};

use m2_ir::Sizes;

use crate::{
    Error,
    buffer::{Buffer, padded},
    gpu::{Gpu, lock},
};

/// The most runs of a program in flight.
const RUNS: usize = 3;
/// The most bytes of staging buffers beyond the first run's: large outputs are read before the next
/// run.
const BYTES: u64 = 16 << 20;

/// How many runs a program whose outputs have so many bytes may have in flight.
pub(crate) fn runs(outputs: impl Iterator<Item = u64>) -> usize {
    let bytes = outputs.map(padded).sum::<u64>();
    (BYTES / bytes.max(1)).clamp(1, RUNS as u64) as usize
}

/// Staging buffers of one run, one an output.
pub(crate) type Slot = Arc<Vec<Buffer>>;

/// Staging buffers of a program's runs in flight.
pub(crate) struct Ring(Vec<Slot>);

impl Ring {
    /// Buffers for outputs of these names and sizes in bytes.
    pub fn new(gpu: &Gpu, outputs: &[(&str, u64)]) -> Self {
        use wgpu::BufferUsages as Usage;
        let make = |(name, bytes): &(&str, u64)| {
            gpu.buffer(name, *bytes, Usage::MAP_READ | Usage::COPY_DST)
        };
        let slots = runs(outputs.iter().map(|o| o.1));
        Ring((0..slots).map(|_| Arc::new(outputs.iter().map(make).collect())).collect())
    }

    /// How many runs may be in flight.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Buffers that no run in flight holds.
    ///
    /// # Errors
    /// When there are none.
    pub fn free(&self) -> Result<Slot, Error> {
        let free = self.0.iter().find(|slot| Arc::strong_count(slot) == 1);
        free.cloned().ok_or(Error::InFlight { runs: self.len() })
    }
}

/// A run that was handed to the device: what it computes is read with it, as often as wanted, until
/// it is dropped.
#[derive(Debug)]
pub struct Run {
    pub(crate) slot: Slot,
    pub(crate) sizes: Sizes,
    mapped: Vec<Mapping>,
    submission: wgpu::SubmissionIndex,
}

impl Run {
    /// Begins to read what a submission copies into the buffers.
    pub(crate) fn new(slot: Slot, sizes: Sizes, submission: wgpu::SubmissionIndex) -> Self {
        let mapped = slot.iter().map(|b| Mapping::begin(b, wgpu::MapMode::Read)).collect();
        Run { slot, sizes, mapped, submission }
    }

    /// Waits until the host can read an output.
    ///
    /// # Errors
    /// When there is no such output, or the device fails.
    pub(crate) async fn wait(&self, gpu: &Gpu, output: usize) -> Result<&Buffer, Error> {
        let missing = Error::Output { index: output, why: "the run is another plan's" };
        let (buffer, mapping) =
            self.slot.get(output).zip(self.mapped.get(output)).ok_or(missing)?;
        mapping.wait(gpu, Some(&self.submission)).await?;
        Ok(buffer)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // The next run copies into them.
        self.slot.iter().for_each(|buffer| buffer.unmap());
    }
}

#[derive(Debug, Default)]
struct Answer {
    result: Option<Result<(), wgpu::BufferAsyncError>>,
    waker: Option<Waker>,
}

/// A buffer that is being mapped.
#[derive(Debug)]
pub(crate) struct Mapping(Arc<Mutex<Answer>>);

impl Mapping {
    /// Begins.
    pub fn begin(buffer: &wgpu::Buffer, mode: wgpu::MapMode) -> Self {
        let shared: Arc<Mutex<Answer>> = Arc::default();
        let answer = shared.clone();
        buffer.map_async(mode, .., move |result| {
            let mut answer = lock(&answer);
            answer.result = Some(result);
            if let Some(waker) = answer.waker.take() {
                waker.wake();
            }
        });
        Mapping(shared)
    }

    /// Waits until the buffer is mapped: for a submission, or for everything that was submitted.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn wait(
        &self,
        gpu: &Gpu,
        submission: Option<&wgpu::SubmissionIndex>,
    ) -> Result<(), Error> {
        // A browser answers by itself; natively somebody has to wait for the device.
        #[cfg(not(target_arch = "wasm32"))]
        gpu.poll(wgpu::PollType::Wait { submission_index: submission.cloned(), timeout: None })?;
        #[cfg(target_arch = "wasm32")]
        let _ = submission;
        let result = std::future::poll_fn(|task| {
            let mut answer = lock(&self.0);
            match &answer.result {
                Some(result) => Poll::Ready(result.clone()),
                None => {
                    answer.waker = Some(task.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await;
        result.map_err(|e| gpu.failed(&e))?;
        gpu.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_outputs_are_read_before_the_next_run() {
        assert_eq!(runs([98_304, 4].into_iter()), RUNS);
        assert_eq!(runs([6 << 20].into_iter()), 2);
        assert_eq!(runs([100 << 20].into_iter()), 1);
        assert_eq!(runs(std::iter::empty()), RUNS);
    }
}
