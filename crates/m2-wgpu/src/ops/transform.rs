//! What the long convolutions share: transforms in one workgroup or in passes, groups of channels.

use std::ops::Range;

use m2_ir::NodeId;
use shaders::Kernel;

use super::{conv_spectrum::Spectrum, passes};
use crate::{
    Error,
    launch::{Bind, Grid, Rows, Slot, Source},
    lowering::{Lowering, flag, size},
    tables::Table,
};

/// Numbers of the scratch buffers of long convolutions and their kernels.
pub(super) mod scratch {
    /// Matrices of the passes.
    pub const MATRICES: usize = 2;
    /// The spectrum of a group of channels.
    pub const SPECTRUM: usize = 3;
    /// Every other hidden layer of an implicit filter.
    pub const LAYER: usize = 4;
    /// The last hidden layers of the implicit filters of a spectrum, four at most.
    pub const HIDDEN: usize = 5;
    /// Their kernels for a group of channels.
    pub const KERNELS: usize = 9;
}

/// Some channels of a value.
pub(super) fn part(id: NodeId, channels: &Range<usize>) -> Slot {
    Slot::Channels(id, channels.start, channels.len())
}

/// Bindings for some channels: of one kernel, of the first passes, of the last.
type Own = dyn Fn(&Range<usize>) -> [Vec<Bind>; 3];

/// An op that convolves.
pub(super) struct Convolution {
    /// Its own part in one workgroup, as peaks, along columns, and back.
    pub kernels: [Kernel; 4],
    /// The spectrum's node.
    pub spectrum: NodeId,
    /// Whether it is a pair's.
    pub pair: bool,
    /// Rows that a transform takes, whose signals are its real and imaginary part.
    pub together: usize,
    /// Constants of the op's own part.
    pub own: Vec<(&'static str, f64)>,
    /// Bindings of the op's own part for some channels, from binding 4 on: of the kernel that does
    /// all, of the passes that read the signals, and of the last pass.
    pub bindings: Box<Own>,
    /// H.
    pub channels: usize,
}

impl Convolution {
    /// Numbers of a spectrum for a frequency.
    fn spectra(&self) -> usize {
        1 + usize::from(self.pair)
    }

    /// Transforms for so many rows.
    fn tasks(&self, rows: usize) -> usize {
        rows.div_ceil(self.together)
    }

    /// Constants of what goes into a transform and comes out.
    pub fn signals(&self, cx: &Lowering<'_>) -> Vec<(&'static str, f64)> {
        // A row alone needs no balance.
        let two = self.pair || self.tasks(cx.class.rows) < cx.class.rows;
        let mut all = vec![flag("PAIR", two), size("TOGETHER", self.together)];
        all.extend(&self.own);
        all
    }

    /// The constant of what a spectrum holds.
    pub fn product(&self) -> (&'static str, f64) {
        size("SPECTRA", self.spectra())
    }
}

/// Whether rows of the class are convolved by transforms in workgroup memory.
pub(super) fn fits(cx: &Lowering<'_>) -> bool {
    cx.class.span <= cx.settings.longest_transform && !cx.in_passes
}

/// Points that one invocation of a one-workgroup transform holds, at most.
fn held(cx: &Lowering<'_>) -> usize {
    (cx.class.span / 256).max(8)
}

/// Invocations for so many points, of which each holds some at most.
pub(super) fn threads(points: usize, held: usize) -> usize {
    // A quarter have one radix-4 butterfly each.
    (points / 4).min(256).max(points / held)
}

/// Twiddles of a transform of the class's length in one workgroup.
pub(super) fn roots(cx: &Lowering<'_>) -> Bind {
    Bind::Read(Slot::Table(Table::Roots(cx.class.span)))
}

/// Constants of a transform of the class's length in one workgroup.
pub(super) fn constants(cx: &Lowering<'_>) -> Vec<(&'static str, f64)> {
    let l = cx.class.span;
    vec![
        size("L", l),
        size("SIZE", l),
        size("N", l),
        size("LOG", l.ilog2() as usize),
        size("ROOTS", l),
        size("BLOCK", l),
        size("THREADS", threads(l, held(cx))),
    ]
}

/// How channels and rows are cut into dispatches.
pub(super) struct Groups {
    channels: usize,
    all_channels: usize,
    /// Transforms of a channel in a dispatch of a pass: of a row each, or of several.
    pub tasks: usize,
    all_tasks: usize,
}

impl Groups {
    /// For so many channels that have each a spectrum of `pairs` · L complex numbers.
    ///
    /// `inside`: the spectra are scratch themselves, and so are the kernels they are made of.
    pub fn of(
        cx: &Lowering<'_>,
        channels: usize,
        pairs: usize,
        inside: bool,
        tasks: usize,
    ) -> Self {
        let spectrum = 8 * pairs * cx.class.span;
        // Both halves of a transform.
        let matrix = 16 * cx.class.span;
        let room = (cx.settings.scratch as usize / matrix).max(1);
        let (mut most, mut part) = (channels, tasks.max(1));
        if !fits(cx) {
            part = part.min(room);
            most = room / part;
        }
        let available = if inside { cx.settings.scratch / 2 } else { cx.settings.max_binding };
        most = most.min(available as usize / spectrum).clamp(1, channels.max(1));
        // Groups that are alike share their pipelines; parts of a binding start at multiples of 256.
        let aligned = (256 / spectrum).max(1);
        let even = channels.div_ceil(channels.div_ceil(most).max(1)).max(1);
        let each = if inside { even } else { even.next_multiple_of(aligned) };
        Groups { channels: each, all_channels: channels, tasks: part, all_tasks: tasks }
    }

    /// The groups of channels.
    pub fn channels(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (each, all) = (self.channels, self.all_channels);
        (0..all).step_by(each).map(move |i| i..(i + each).min(all))
    }

    /// The first transforms of the groups of them.
    pub fn tasks(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.all_tasks).step_by(self.tasks)
    }
}

/// Adds the dispatches of an op that convolves, and of its spectrum if nobody else makes it.
///
/// # Errors
/// When rows are too long.
pub(super) fn convolve(cx: &mut Lowering<'_>, op: &Convolution) -> Result<(), Error> {
    let inside = Spectrum::inside(cx, op.spectrum)?;
    let (pairs, tasks) = (op.spectra(), op.tasks(cx.class.rows));
    let groups = Groups::of(cx, op.channels, pairs, inside.is_some(), tasks);
    for channels in groups.channels() {
        let slot = if let Some(spectrum) = &inside {
            let elements = 2 * pairs * channels.len() * cx.class.span;
            let out = Slot::Scratch(scratch::SPECTRUM, elements);
            spectrum.make(cx, &channels, out)?;
            out
        } else {
            Slot::Channels(op.spectrum, channels.start, channels.len())
        };
        if fits(cx) {
            one_workgroup(cx, op, &channels, slot);
        } else {
            for task in groups.tasks() {
                passes::convolve(cx, op, &channels, (task, groups.tasks), slot)?;
            }
        }
    }
    Ok(())
}

/// Convolves some channels of all rows, a workgroup each.
fn one_workgroup(cx: &mut Lowering<'_>, op: &Convolution, channels: &Range<usize>, spectrum: Slot) {
    let mut all = constants(cx);
    all.extend([size("CHANNELS", channels.len()), op.product()]);
    all.extend(op.signals(cx));
    let mut slots = vec![roots(cx), Bind::Read(spectrum), Bind::Read(Slot::Rows)];
    let [own, ..] = (op.bindings)(channels);
    slots.extend(own);
    cx.window = (channels.start, 0);
    let kernel = op.kernels[0];
    let source = Source::Kernel(kernel, vec![held(cx) as u32]);
    let grid = Grid::of_rows(Rows::All, op.together, channels.len());
    cx.launch_source(source, kernel.name, all, slots, grid);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use m2_ir::{
        Builder, DType, Dim, Graph, Op, Sizes, Target,
        ops::{ConvSpectrum, ImplicitFilter, ReverseLag, SequenceMixer},
        plan::{Fusion, lower},
    };

    use super::*;
    use crate::{draft, layout::Layout, settings::Settings};

    const H: usize = 768;
    const BINDING: u64 = 128 << 20;

    /// The mixer of an 80M layer.
    fn mixer(n: usize) -> Graph {
        let mut g = Builder::new();
        let shapes = ImplicitFilter::operands(n, 5, 128, H);
        let mut kernels = Vec::new();
        for i in 0..4 {
            let x: Vec<NodeId> = shapes.iter().map(|s| g.param(format!("{i} {s:?}"), s)).collect();
            kernels.push(g.add(ImplicitFilter { w_mod: 1.0 }, &x).unwrap());
        }
        let d = g.param("d", &[H]);
        let op = ConvSpectrum { reverse: Some(ReverseLag::Next), pair: true };
        let [k1, r1, k2, r2] = kernels[..] else { unreachable!() };
        let s = g.add(op, &[k1, r1, d, k2, r2, d]).unwrap();
        let p = g.input("p", [Dim::Tokens, Dim::Fixed(3 * H)], DType::F32);
        let u = g.input("u", [Dim::Tokens, Dim::Fixed(H)], DType::F32);
        let (w, b) = (g.param("w", &[3 * H, 1, 3]), g.param("b", &[3 * H]));
        let y = g.add(SequenceMixer { taps: 3, residual: true }, &[p, w, b, s, u]).unwrap();
        g.output("y", y);
        g.finish()
    }

    /// Dispatches of a mixer over rows of n tokens; bytes of all scratch together.
    fn lowered(n: usize, rows: usize, kept: bool) -> (usize, usize) {
        let mut target = Target::webgpu();
        (target.max_binding, target.max_buffer) = (u64::MAX, u64::MAX);
        target.frozen_budget = if kept { 1 << 32 } else { 0 };
        let class = Sizes { tokens: n * rows, rows, asked: 0, span: n };
        let plan = lower(&mixer(n), &target, class, Fusion::Full).unwrap();
        let settings = Settings { longest_transform: 2048, ..Settings::webgpu() };
        let pieces = vec![1; plan.graph.nodes().len()];
        let launches = draft::lower(&plan, &plan.steps, &settings, &pieces).unwrap();
        let mut buffers: BTreeMap<usize, usize> = BTreeMap::new();
        for bind in launches.iter().flat_map(|l| &l.bindings) {
            let elements = match bind.slot() {
                Slot::Scratch(i, elements) => {
                    let most = buffers.entry(i).or_default();
                    *most = elements.max(*most);
                    elements
                }
                // Whether activations fit is not the mixer's affair.
                Slot::Channels(id, ..) if plan.graph.node(id).op == Op::Input => 0,
                Slot::Channels(id, _, count) => {
                    let layout = Layout::of(&plan.graph.node(id).ty, &plan.class);
                    layout.len() / layout.rest()[0] * count
                }
                Slot::Value(id) => {
                    let op = &plan.graph.node(id).op;
                    assert!(!matches!(op, Op::ConvSpectrum(_)), "a spectrum bound as a whole");
                    0
                }
                _ => 0,
            };
            assert!(elements as u64 * 4 <= BINDING);
        }
        (launches.len(), 4 * buffers.values().sum::<usize>())
    }

    #[test]
    fn long_mixers_keep_the_limits() {
        // Peaks, columns, rows, back: for two groups of channels, and for twelve.
        assert_eq!(lowered(4096, 1, true).0, 2 * 4);
        let (dispatches, bytes) = lowered(32_768, 1, true);
        assert_eq!(dispatches, 12 * 4);
        assert!(bytes <= 33 << 20, "{bytes}");
        // Spectra that are made in between: three hidden layers of four filters, then for each
        // group four last layers and two passes more.
        let (dispatches, bytes) = lowered(32_768, 1, false);
        assert_eq!(dispatches, 4 * 3 + 24 * (4 + 2 + 4));
        assert!(bytes <= 150_000_000, "{bytes}");
        // Rows share groups, as far as they fit.
        assert_eq!(lowered(32_768, 4, true).0, 48 * 4);
        assert!(lowered(16_384, 256, true).1 <= 33 << 20);
        assert_eq!(lowered(2048, 1, true).0, 1);
    }
}
