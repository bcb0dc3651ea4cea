//! What a step of a plan becomes.

use m2_ir::{Locality, NodeId, Op, Parameters, Plan, plan::Place, plan::Step};

use super::{CpuWeights, Machine, Run, Store, is_param, region::Region, workspace::Needs};
use crate::{Error, array::Array, ops, reference::Context};

/// A step ready to run.
#[derive(Debug)]
pub(super) enum Kernel {
    /// Token-local ops, block by block.
    Region(Box<Region>),
    /// A spectrum.
    Spectrum(NodeId),
    /// One or two long convolutions.
    Conv(NodeId),
    /// A kernel made by a sine network.
    Filter(NodeId),
    /// Attention.
    Attention(NodeId),
    /// Anything else, by its definition.
    Plain(NodeId),
}

impl Kernel {
    pub(super) fn new(
        machine: &Machine<'_>,
        plan: &Plan,
        step: &Step,
        store: &mut Store,
        params: &dyn Parameters,
        weights: &mut CpuWeights,
        needs: &mut Needs,
    ) -> Result<Self, Error> {
        let id = step.nodes[0];
        let node = plan.graph.node(id);
        let local = matches!(
            node.op.rule().locality(),
            Locality::TokenLocal | Locality::Halo(_) | Locality::View
        );
        if local && node.ty.shape.len() == 2 && node.ty.shape[0].fixed().is_none() {
            let region = Region::new(machine, plan, step, store, params, weights)?;
            needs.merge(&region.needs());
            return Ok(Kernel::Region(Box::new(region)));
        }
        for &i in node.inputs.iter().filter(|i| is_param(plan, **i)) {
            store.raw[i.index()] = Some(weights.raw(plan.graph.node(i), params)?);
        }
        needs.transforms |=
            matches!(node.op, Op::ConvSpectrum(_) | Op::ConvPair(_) | Op::LongConv(_));
        Ok(match &node.op {
            Op::ConvSpectrum(_) => Kernel::Spectrum(id),
            Op::ConvPair(_) | Op::LongConv(_) => Kernel::Conv(id),
            Op::ImplicitFilter(_) => Kernel::Filter(id),
            Op::Attention(_) => Kernel::Attention(id),
            _ => Kernel::Plain(id),
        })
    }

    pub(super) fn run(
        &self,
        machine: &Machine<'_>,
        plan: &Plan,
        run: &Run<'_>,
        store: &mut Store,
    ) -> Result<(), Error> {
        let (Kernel::Spectrum(id)
        | Kernel::Conv(id)
        | Kernel::Filter(id)
        | Kernel::Attention(id)
        | Kernel::Plain(id)) = self
        else {
            let Kernel::Region(region) = self else { return Ok(()) };
            return region.run(machine, plan, run, store);
        };
        let mut out = store.take(plan, *id)?;
        let node = plan.graph.node(*id);
        let x: Vec<_> = node.inputs.iter().map(|i| store.view(plan, *i)).collect();
        match (self, &node.op) {
            (Kernel::Spectrum(_), Op::ConvSpectrum(o)) => {
                ops::conv_spectrum::fast(machine, o, run, &x, &mut out)?;
            }
            (Kernel::Conv(_), Op::ConvPair(_)) => {
                ops::conv_pair::fast(machine, run, &x, &mut out)?;
            }
            (Kernel::Conv(_), _) => {
                ops::long_conv::fast(machine, run, &x, &mut out)?;
            }
            (Kernel::Filter(_), Op::ImplicitFilter(o)) => {
                ops::implicit_filter::fast(machine, o, run, &x, &mut out)?;
            }
            (Kernel::Attention(_), Op::Attention(o)) => {
                ops::attention::fast(machine, o, run, &x, &mut out)?;
            }
            _ => plain(plan, *id, run, store, &mut out),
        }
        store.put(plan, *id, out);
        Ok(())
    }
}

/// The op's definition on copies of its operands.
fn plain(plan: &Plan, id: NodeId, run: &Run<'_>, store: &Store, out: &mut [f32]) {
    let node = plan.graph.node(id);
    let arrays: Vec<Array<f32>> = node
        .inputs
        .iter()
        .map(|&i| {
            let ty = &plan.graph.node(i).ty;
            let shape = ty.concrete(&run.sizes);
            let ids = store.ids(i);
            if plan.places[i.index()] == Place::Source && ty.dtype == m2_ir::DType::U32 {
                return Array { shape, data: ids.iter().map(|&v| v as f32).collect() };
            }
            let view = store.view(plan, i);
            let rows = shape.iter().product::<usize>() / view.width.max(1);
            let data = (0..rows).flat_map(|r| view.row(r).iter().copied()).collect();
            Array { shape, data }
        })
        .collect();
    let mut result = Array::zeros(&node.ty.concrete(&run.sizes));
    let ctx = Context { rows: run.batch.rows(), asked: run.batch.asked() };
    ops::plain(&node.op, &ctx, &arrays.iter().collect::<Vec<_>>(), &mut result);
    out[..result.data.len()].copy_from_slice(&result.data);
}
