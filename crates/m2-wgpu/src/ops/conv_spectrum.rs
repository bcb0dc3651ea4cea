//! Spectra of long convolutions' kernels: as a value, or group by group for the op that reads them.

use std::ops::Range;

use m2_ir::{
    NodeId, Op,
    ops::{ConvSpectrum, ImplicitFilter, ReverseLag},
};

use super::{
    implicit_filter,
    passes::Passes,
    transform::{self, Groups, scratch},
};
use crate::{
    Error,
    launch::{Bind, Grid, Slot},
    lowering::{Lowering, flag, read, size},
};

pub(super) fn lower(cx: &mut Lowering<'_>, op: &ConvSpectrum) -> Result<(), Error> {
    let out = cx.out();
    let spectrum = Spectrum::of(cx, out, *op)?;
    let pairs = 1 + usize::from(op.pair);
    for channels in Groups::of(cx, spectrum.channels, pairs, false, 1).channels() {
        spectrum.make(cx, &channels, Slot::Channels(out, channels.start, channels.len()))?;
    }
    Ok(())
}

/// Spectra that are made group by group of channels.
pub(super) struct Spectrum {
    op: ConvSpectrum,
    inputs: Vec<NodeId>,
    channels: usize,
    /// The kernels' leading dimension.
    ld: usize,
    /// Filters that nobody else makes: their last hidden layer is scratch.
    filters: Vec<NodeId>,
}

impl Spectrum {
    /// The spectrum of an op's operand, if it lives inside the step of that op.
    ///
    /// # Errors
    /// When an operand has another form.
    pub fn inside(cx: &mut Lowering<'_>, node: NodeId) -> Result<Option<Self>, Error> {
        let Some(Op::ConvSpectrum(op)) = cx.inside(node) else { return Ok(None) };
        let op = *op;
        Spectrum::of(cx, node, op).map(Some)
    }

    /// Adds the hidden layers of those of the spectrum's filters that live inside the step.
    fn of(cx: &mut Lowering<'_>, node: NodeId, op: ConvSpectrum) -> Result<Self, Error> {
        let inputs = cx.inputs_of(node);
        let (_, channels) = cx.columns(inputs[0])?;
        let ld = cx.layout(inputs[0]).ld;
        let mut filters: Vec<NodeId> = Vec::new();
        for &input in &inputs {
            let Some(Op::ImplicitFilter(filter)) = cx.inside(input) else { continue };
            let filter: ImplicitFilter = *filter;
            if !filters.contains(&input) {
                implicit_filter::hidden(cx, input, filter, filters.len());
                filters.push(input);
            }
        }
        Ok(Spectrum { op, inputs, channels, ld, filters })
    }

    /// Where an operand's channels lie.
    fn operand(&self, id: NodeId, channels: &Range<usize>) -> Bind {
        Bind::Read(match self.filters.iter().position(|f| *f == id) {
            Some(i) => Slot::Scratch(scratch::KERNELS + i, channels.len() * self.ld),
            None => Slot::Channels(id, channels.start, channels.len()),
        })
    }

    /// Adds what makes the spectra of some channels.
    ///
    /// # Errors
    /// When the kernels are too long.
    pub fn make(
        &self,
        cx: &mut Lowering<'_>,
        channels: &Range<usize>,
        out: Slot,
    ) -> Result<(), Error> {
        cx.window = (channels.start, 0);
        for (i, &filter) in self.filters.iter().enumerate() {
            let kernel = Slot::Scratch(scratch::KERNELS + i, channels.len() * self.ld);
            implicit_filter::modulate(cx, filter, i, channels.len(), kernel);
        }
        let n = self.op.operands();
        let mut kernels = Vec::new();
        for which in 0..2 {
            // One convolution's operands stand in for the other's where there is only one.
            let one = if self.op.pair { &self.inputs[which * n..][..n] } else { &self.inputs[..n] };
            let back = if self.op.reverse.is_some() { one[1] } else { one[0] };
            let kernel = |id| self.operand(id, channels);
            kernels.extend([kernel(one[0]), kernel(back), read(one[n - 1])]);
        }
        if transform::fits(cx) {
            self.one_workgroup(cx, channels, kernels, out);
            return Ok(());
        }
        self.passes(cx, channels, &kernels, out)
    }

    fn own(&self) -> [(&'static str, f64); 3] {
        let reverse = match self.op.reverse {
            None => 0,
            Some(ReverseLag::Next) => 1,
            Some(ReverseLag::Current) => 2,
        };
        [size("LD", self.ld), flag("PAIR", self.op.pair), size("REVERSE", reverse)]
    }

    fn one_workgroup(
        &self,
        cx: &mut Lowering<'_>,
        channels: &Range<usize>,
        kernels: Vec<Bind>,
        out: Slot,
    ) {
        let mut constants = transform::constants(cx);
        constants.push(size("CHANNELS", channels.len()));
        constants.extend(self.own());
        let mut bindings = vec![transform::roots(cx), Bind::Write(out)];
        bindings.extend(kernels);
        cx.launch(shaders::SPECTRUM, constants, bindings, Grid::flat(channels.len(), 1));
    }

    fn passes(
        &self,
        cx: &mut Lowering<'_>,
        channels: &Range<usize>,
        kernels: &[Bind],
        out: Slot,
    ) -> Result<(), Error> {
        let passes = Passes::of(cx, channels.len(), 1)?;
        let mut bindings = vec![passes.roots(), passes.scratch()];
        bindings.extend(kernels);
        let (mut constants, groups) = passes.columns();
        constants.extend(self.own());
        cx.launch(shaders::SPECTRUM_COLUMNS, constants, bindings, Grid::flat(2 * groups, 1));
        let (mut constants, groups) = passes.rows();
        let spectra = 1 + usize::from(self.op.pair);
        constants.extend([flag("PAIR", self.op.pair), size("SPECTRA", spectra)]);
        let bindings = vec![passes.roots(), passes.scratch(), Bind::Write(out)];
        cx.launch(shaders::SPECTRUM_ROWS, constants, bindings, Grid::flat(2 * groups, 1));
        Ok(())
    }
}
