//! Batches on a model's device: several in flight where the device takes them, and once more where
//! the device was lost.

use std::collections::VecDeque;

use m2_ir::{Batch, HostTensor, Text};

use crate::{
    DeviceRun, Error, Model,
    batching::{Bounds, group},
};

/// A batch that has been begun; without a run its device was lost, and it has to begin again.
struct Flight<'a> {
    index: usize,
    batch: &'a Batch,
    run: Option<DeviceRun>,
}

/// What is to be done with the values of the batch of an index; whether to go on.
type Each<'a> = dyn FnMut(usize, Vec<HostTensor>) -> Result<bool, Error> + 'a;

impl Model {
    /// Runs a batch and reads the named values ([`m2_nn::models::outputs`]), with true sizes.
    ///
    /// The plan of the batch's class is kept for the next batch of that class. Where the device is
    /// lost on the way it is opened again and the batch is run once more.
    ///
    /// # Errors
    /// When the model has no such value, a row is longer than N, or the device fails.
    pub async fn run(&mut self, batch: &Batch, outputs: &[&str]) -> Result<Vec<HostTensor>, Error> {
        let mut values = Vec::new();
        self.run_each(std::slice::from_ref(batch), outputs, &mut |_, found| {
            values = found;
            Ok(true)
        })
        .await?;
        Ok(values)
    }

    /// Runs batches and hands out the values of each, in their order, until `each` says no: a GPU
    /// works on a batch while the one before it is read.
    ///
    /// # Errors
    /// As [`Model::run`], and whatever `each` fails with.
    pub async fn run_each(
        &mut self,
        batches: &[Batch],
        outputs: &[&str],
        each: &mut Each<'_>,
    ) -> Result<(), Error> {
        let mut flying: VecDeque<Flight<'_>> = VecDeque::new();
        let mut waiting = batches.iter().enumerate();
        let mut next = waiting.next();
        loop {
            if let Some((index, batch)) = next
                && self.may_begin(flying.len(), batch, outputs)
            {
                let run = self.begin(batch, outputs).await;
                let run = self.or_lost(run, &mut flying).await?;
                flying.push_back(Flight { index, batch, run });
                next = waiting.next();
                continue;
            }
            let Some(flight) = flying.pop_front() else { return Ok(()) };
            let values = match flight.run {
                Some(run) => {
                    let values = self.finish(&run, outputs).await;
                    self.or_lost(values, &mut flying).await?
                }
                None => None,
            };
            let values = match values {
                Some(values) => values,
                None => {
                    let run = self.begin(flight.batch, outputs).await?;
                    self.finish(&run, outputs).await?
                }
            };
            if !each(flight.index, values)? {
                return Ok(());
            }
        }
    }

    /// Runs texts in batches of similar lengths and hands out, batch by batch, which texts they are
    /// and a row of values of each, until `each` says no.
    ///
    /// # Errors
    /// As [`Model::run`], and where a value is NaN or infinite.
    pub(crate) async fn run_texts(
        &mut self,
        texts: &[Text<'_>],
        bounds: Bounds,
        output: &str,
        each: &mut dyn FnMut(&[usize], &[f32]) -> bool,
    ) -> Result<(), Error> {
        let groups = groups(texts, bounds);
        let batches = groups.iter().map(|g| batch(texts, g)).collect::<Result<Vec<_>, _>>()?;
        let mut finite = true;
        let each = &mut |at: usize, found: Vec<HostTensor>| {
            let rows = found[0].to_f32();
            finite = rows.iter().all(|v| v.is_finite());
            Ok(finite && each(&groups[at], &rows))
        };
        self.run_each(&batches, &[output], each).await?;
        if finite { Ok(()) } else { Err(self.not_finite()) }
    }

    /// Makes what the first batch of [`Model::run_texts`] will need.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) async fn load_texts(
        &mut self,
        texts: &[Text<'_>],
        bounds: Bounds,
        output: &str,
    ) -> Result<(), Error> {
        if let Some(first) = groups(texts, bounds).first() {
            let sizes = batch(texts, first)?.sizes();
            self.program(sizes, &[output]).await?;
        }
        Ok(())
    }

    /// Whether a batch may begin while so many are in flight: they have to be of one plan.
    fn may_begin(&self, in_flight: usize, batch: &Batch, outputs: &[&str]) -> bool {
        let most = self.latest(batch.sizes(), outputs).map_or(0, |p| self.device().in_flight(p));
        in_flight == 0 || in_flight < most
    }

    async fn begin(&mut self, batch: &Batch, outputs: &[&str]) -> Result<DeviceRun, Error> {
        let sizes = batch.sizes();
        if sizes.span > self.max_positions() {
            return Err(self.error(&format!(
                "a row has {} tokens, the model takes at most {}; cut or split the text",
                sizes.span,
                self.max_positions()
            )));
        }
        let (device, program) = self.program(sizes, outputs).await?;
        device.run(program, batch).await
    }

    /// The values of a run of the latest plan.
    async fn finish(
        &mut self,
        run: &DeviceRun,
        outputs: &[&str],
    ) -> Result<Vec<HostTensor>, Error> {
        let mut values = Vec::with_capacity(outputs.len());
        for i in 0..outputs.len() {
            values.push(self.read(run, i).await?);
        }
        Ok(values)
    }

    /// A result; none where the device was lost, which is open again and has lost what was in
    /// flight.
    async fn or_lost<T>(
        &mut self,
        result: Result<T, Error>,
        flying: &mut VecDeque<Flight<'_>>,
    ) -> Result<Option<T>, Error> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(e) if self.heal(&e).await? => {
                flying.iter_mut().for_each(|flight| flight.run = None);
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}

/// Indices of the texts that run together.
fn groups(texts: &[Text<'_>], bounds: Bounds) -> Vec<Vec<usize>> {
    let lengths: Vec<usize> = texts.iter().map(|t| t.ids.len()).collect();
    group(&lengths, bounds)
}

/// The batch of the texts with these indices.
fn batch(texts: &[Text<'_>], of: &[usize]) -> Result<Batch, Error> {
    Ok(Batch::from_texts(&of.iter().map(|&i| texts[i]).collect::<Vec<_>>())?)
}
