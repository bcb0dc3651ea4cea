//! Running a region's stages on one block of tokens.

use std::sync::Mutex;

use m2_ir::RowTable;

use super::{
    Shared,
    build::{Operand, RowOp, Stage, StageOp, panel},
    elementwise::Registers,
    product::{Product, Tiles},
    short::{Edges, Input, Output, short_conv},
};
use crate::{
    AlignedVec, Error, Isa,
    array::Array,
    engine::workspace::Needs,
    gemm::{MC, PackedA, Rows},
    math, ops,
    pool::lock,
    reference::Context,
};

/// Memory of a stored result, which blocks write row by row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    data: *mut f32,
    rows: usize,
    width: usize,
}

// SAFETY: `Target::write` is called for disjoint rows, or disjoint columns, by different threads.
unsafe impl Sync for Target {}

impl Target {
    pub(super) fn new(memory: &mut AlignedVec<f32>, width: usize) -> Self {
        Target { data: memory.as_mut_ptr(), rows: memory.len() / width.max(1), width }
    }

    /// Row `i`.
    ///
    /// # Safety
    /// Nobody else reads or writes that row meanwhile.
    #[expect(clippy::mut_from_ref, reason = "rows of one buffer for many threads")]
    unsafe fn row(&self, i: usize) -> &mut [f32] {
        assert!(i < self.rows, "a block writes past its buffer");
        // SAFETY: the row exists by the assertion, and is the caller's alone.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(i * self.width), self.width) }
    }

    /// Copies rows `from..from + rows` of `values` to rows `first..`.
    fn write(&self, first: usize, values: &[f32], from: usize, rows: usize) {
        assert!(first + rows <= self.rows, "a block writes past its buffer");
        let values = &values[from * self.width..][..rows * self.width];
        // SAFETY: the rows exist by the assertion, and no other block has them.
        unsafe {
            let to = self.data.add(first * self.width);
            std::ptr::copy_nonoverlapping(values.as_ptr(), to, values.len());
        }
    }
}

/// Scratch of one thread and the block it works on.
#[derive(Debug)]
pub(in crate::engine) struct Block {
    first: usize,
    rows: usize,
    slots: Vec<Vec<f32>>,
    packs: Vec<PackedA>,
    tiles: Tiles,
    registers: Registers,
}

impl Block {
    pub(in crate::engine) fn new(isa: Isa, needs: &Needs) -> Result<Self, Error> {
        let packs = needs.packs.iter().map(|&k| PackedA::new(isa, k)).collect::<Result<_, _>>()?;
        let tile = || vec![0.0; MC * needs.panel];
        Ok(Block {
            first: 0,
            rows: 0,
            slots: needs.slots.iter().map(|w| vec![0.0; w * MC]).collect(),
            packs,
            tiles: Tiles { first: tile(), second: tile() },
            registers: Registers::default(),
        })
    }

    /// Moves to rows `first..first + rows` of the region's values.
    pub(super) fn place(&mut self, first: usize, rows: usize) {
        (self.first, self.rows) = (first, rows);
    }

    /// Runs all stages; `edges` keeps the rows that the border to the next block will need.
    pub(super) fn run(&mut self, shared: &Shared<'_>, edges: Option<(&Edges, usize)>) {
        for stage in shared.region.stages.iter().filter(|s| !s.chained) {
            match &stage.op {
                StageOp::Product(p) if let Some(at) = p.short => {
                    self.product_short(shared, p, at, edges);
                    self.publish(shared, &shared.region.stages[at], 0);
                }
                StageOp::Short(x, _) => {
                    if let (Some((edges, index)), Operand::Slot { width, .. }) = (edges, x) {
                        let x = self.input_of(shared, x);
                        edges.save(index, x, self.rows, 0..*width);
                    }
                    self.finish(shared, stage, 0);
                }
                _ => self.finish(shared, stage, 0),
            }
        }
    }

    /// Runs the short convolution and what follows for the first tokens of block `index`, which
    /// starts with `rest`, all tokens from it on.
    pub(super) fn run_border(
        &mut self,
        shared: &Shared<'_>,
        edges: &Edges,
        index: usize,
        rest: std::ops::Range<usize>,
    ) {
        let Some(halo) = shared.region.halo else { return };
        self.place(rest.start - halo.reach, halo.reach + halo.reach.min(rest.len()));
        edges.load(index, &mut self.slots[halo.slot]);
        for stage in &shared.region.stages[halo.stage..] {
            self.finish(shared, stage, halo.reach);
        }
    }

    /// Runs all stages on a block that is the whole batch, products split by columns.
    pub(super) fn run_columns(&mut self, shared: &Shared<'_>) {
        for stage in &shared.region.stages {
            match &stage.op {
                StageOp::Product(p) => {
                    self.product_by_columns(shared, stage, p);
                    self.publish(shared, stage, 0);
                }
                _ => self.finish(shared, stage, 0),
            }
        }
    }

    /// Runs a stage and stores the result's rows from `from` on, if it is kept.
    fn finish(&mut self, shared: &Shared<'_>, stage: &Stage, from: usize) {
        // What nothing here reads goes straight to its place.
        if let (Some(i), 0, StageOp::Rows(op)) = (stage.publish, stage.readers, &stage.op) {
            for row in from..self.rows {
                // SAFETY: this block alone has the row.
                let y = unsafe { shared.targets[i].row(self.first + row) };
                self.row(shared, op, row, y);
            }
            return;
        }
        self.stage(shared, stage);
        self.publish(shared, stage, from);
    }

    fn publish(&self, shared: &Shared<'_>, stage: &Stage, from: usize) {
        if let Some(i) = stage.publish {
            let target = &shared.targets[i];
            target.write(self.first + from, &self.slots[stage.slot], from, self.rows - from);
        }
    }

    /// The block's rows of an operand.
    pub(super) fn rows_of<'a>(&'a self, shared: &Shared<'a>, x: &'a Operand) -> Rows<'a> {
        match x {
            Operand::Slot { slot, start, stride, width } => Rows {
                data: &self.slots[*slot][*start..],
                rows: self.rows,
                width: *width,
                stride: *stride,
            },
            Operand::Stored(id) => shared.store.view(shared.plan, *id).rows(self.first, self.rows),
            Operand::Weight(raw) => {
                let data = raw.slice();
                Rows { data, rows: self.rows, width: data.len(), stride: 0 }
            }
        }
    }

    fn row_of<'a>(&'a self, shared: &Shared<'a>, x: &'a Operand, i: usize) -> &'a [f32] {
        let rows = self.rows_of(shared, x);
        &rows.data[i * rows.stride..][..rows.width]
    }

    fn stage(&mut self, shared: &Shared<'_>, stage: &Stage) {
        let mut out = std::mem::take(&mut self.slots[stage.slot]);
        let w = stage.width;
        match &stage.op {
            StageOp::Product(p) => self.product(shared, p, w, &mut out),
            StageOp::Short(x, short) => {
                let x = self.input_of(shared, x);
                let y = Output { data: &mut out, stride: w, column: 0 };
                short_conv(shared.machine.isa, short.columns(0..w), x, self.positions(shared), y);
            }
            StageOp::Rows(op) => {
                for (i, y) in out.chunks_exact_mut(w).take(self.rows).enumerate() {
                    self.row(shared, op, i, y);
                }
            }
            StageOp::Plain { op, operands } => {
                let arrays: Vec<_> =
                    operands.iter().map(|(x, shape)| self.array(shared, x, shape)).collect();
                let mut result = Array::zeros(&[self.rows, w]);
                let rows = RowTable::default();
                let ctx = Context { rows: &rows, asked: &[] };
                ops::plain(op, &ctx, &arrays.iter().collect::<Vec<_>>(), &mut result);
                out[..self.rows * w].copy_from_slice(&result.data);
            }
        }
        self.slots[stage.slot] = out;
    }

    /// Each row's place in its text.
    fn positions<'a>(&self, shared: &'a Shared<'_>) -> &'a [u32] {
        &shared.run.position[self.first..][..self.rows]
    }

    /// An operand with the rows before it. A stored one has those of the block before, scratch does
    /// not: see `run_border`.
    fn input_of<'a>(&'a self, shared: &Shared<'a>, x: &'a Operand) -> Input<'a> {
        let (first, x) = match x {
            Operand::Stored(id) => (self.first, shared.store.view(shared.plan, *id).rows(0, 0)),
            x => (0, self.rows_of(shared, x)),
        };
        Input { data: x.data, stride: x.stride, first }
    }

    /// Row `i` of a result.
    fn row(&mut self, shared: &Shared<'_>, op: &RowOp, i: usize, y: &mut [f32]) {
        let isa = shared.machine.isa;
        match op {
            RowOp::Norm { x, residual, w, b, eps } => {
                y.copy_from_slice(self.row_of(shared, x, i));
                let r = residual.as_ref().map(|r| self.row_of(shared, r, i));
                math::layer_norm(isa, y, r, w.slice(), b.slice(), *eps);
            }
            RowOp::Map { expr, operands } => {
                let mut registers = std::mem::take(&mut self.registers);
                registers.evaluate(isa, expr, |n| self.row_of(shared, &operands[n], i), y);
                self.registers = registers;
            }
            RowOp::Copy(x) => y.copy_from_slice(self.row_of(shared, x, i)),
            RowOp::Gather { table, ids } => {
                let id = shared.store.ids(*ids)[self.first + i] as usize;
                y.copy_from_slice(&table.slice()[id * y.len()..][..y.len()]);
            }
        }
    }

    /// A copy of an operand: the block's rows, or a whole weight or value of weights.
    fn array(&self, shared: &Shared<'_>, x: &Operand, shape: &[usize]) -> Array<f32> {
        if let Operand::Weight(raw) = x {
            return Array { shape: shape.to_vec(), data: raw.slice().to_vec() };
        }
        if let Operand::Stored(id) = x
            && shared.plan.graph.node(*id).ty.shape.first() != Some(&shared.region.lead)
        {
            let view = shared.store.view(shared.plan, *id);
            let rows = shape[..shape.len().saturating_sub(1)].iter().product();
            let data = (0..rows).flat_map(|i| view.row(i).iter().copied()).collect();
            return Array { data, shape: shape.to_vec() };
        }
        let mut shape = shape.to_vec();
        shape[0] = self.rows;
        let data = (0..self.rows).flat_map(|i| self.row_of(shared, x, i).iter().copied());
        Array { data: data.collect(), shape }
    }

    fn product(&mut self, shared: &Shared<'_>, p: &Product, width: usize, out: &mut [f32]) {
        let mut packs = std::mem::take(&mut self.packs);
        let mut tiles = self.tiles.take();
        let inner = p.chain.as_ref().map(|c| (c, &shared.region.stages[c.stage].op));
        if let Some((chain, StageOp::Product(inner))) = inner {
            self.pack(shared, inner, &mut packs);
            let nr = panel(&p.packed);
            for (part, needed) in chain.tiles.iter().enumerate() {
                let at = p.parts[part];
                let (a, base) = (at.a, at.a);
                let k = p.packed[at.b].k();
                let (source, own) = two(&mut packs, inner.pack, p.pack);
                own.begin(self.rows, k);
                for &unit in needed {
                    let columns = inner.tile(shared, self, source, 0, unit, &mut tiles);
                    own.put(columns.start - a, tiles.rows(self.rows, columns.len(), nr));
                }
                for panel in 0..p.packed[at.b].panels() {
                    let columns = p.tile(shared, self, own, base, (part, panel), &mut tiles);
                    store(&tiles.first, nr, self.rows, columns, width, out);
                }
            }
        } else {
            self.pack(shared, p, &mut packs);
            let nr = panel(&p.packed);
            for unit in p.units() {
                let columns = p.tile(shared, self, &packs[p.pack], 0, unit, &mut tiles);
                store(&tiles.first, nr, self.rows, columns, width, out);
            }
        }
        self.packs = packs;
        self.tiles = tiles;
    }

    /// A product whose tiles go through the short convolution of stage `at`.
    fn product_short(
        &mut self,
        shared: &Shared<'_>,
        p: &Product,
        at: usize,
        edges: Option<(&Edges, usize)>,
    ) {
        let stage = &shared.region.stages[at];
        let StageOp::Short(_, short) = &stage.op else { return };
        let mut packs = std::mem::take(&mut self.packs);
        let mut tiles = self.tiles.take();
        self.pack(shared, p, &mut packs);
        // Only now: the slot may be the one that x lay in.
        let mut out = std::mem::take(&mut self.slots[stage.slot]);
        for unit in p.units() {
            let columns = p.tile(shared, self, &packs[p.pack], 0, unit, &mut tiles);
            let x = Input { data: &tiles.first, stride: panel(&p.packed), first: 0 };
            if let Some((edges, index)) = edges {
                edges.save(index, x, self.rows, columns.clone());
            }
            let y = Output { data: &mut out, stride: stage.width, column: columns.start };
            let short = short.columns(columns);
            short_conv(shared.machine.isa, short, x, self.positions(shared), y);
        }
        self.slots[stage.slot] = out;
        self.tiles = tiles;
        self.packs = packs;
    }

    fn pack(&self, shared: &Shared<'_>, p: &Product, packs: &mut [PackedA]) {
        if p.fresh {
            packs[p.pack].pack(self.rows_of(shared, &p.x));
        }
    }

    fn product_by_columns(&mut self, shared: &Shared<'_>, stage: &Stage, p: &Product) {
        let mut out = std::mem::take(&mut self.slots[stage.slot]);
        let mut packs = std::mem::take(&mut self.packs);
        if p.fresh || p.chain.is_some() {
            packs[p.pack].pack(self.rows_of(shared, &p.x));
        }
        let units: Vec<_> = p.units().collect();
        let threads = shared.machine.pool.threads();
        let nr = panel(&p.packed);
        let scratch: Vec<Mutex<Tiles>> =
            (0..threads).map(|_| Mutex::new(self.tiles.like())).collect();
        let target = Columns { data: out.as_mut_ptr(), len: out.len() };
        // A few tasks a thread even out threads of different speed.
        let tasks = units.len().min(4 * threads);
        let (this, packs) = (&*self, packs);
        shared.machine.pool.run(tasks, &|task, thread| {
            let mut tiles = lock(&scratch[thread]);
            let mine = task * units.len() / tasks..(task + 1) * units.len() / tasks;
            for &unit in &units[mine] {
                let columns = p.tile(shared, this, &packs[p.pack], 0, unit, &mut tiles);
                target.store(&tiles.first, nr, this.rows, columns, stage.width);
            }
        });
        self.packs = packs;
        self.slots[stage.slot] = out;
    }
}

/// A row-major result whose columns different threads write.
struct Columns {
    data: *mut f32,
    len: usize,
}

// SAFETY: each column is written by one task only.
unsafe impl Sync for Columns {}

impl Columns {
    fn store(
        &self,
        tile: &[f32],
        nr: usize,
        rows: usize,
        columns: std::ops::Range<usize>,
        width: usize,
    ) {
        assert!(rows * width <= self.len && columns.end <= width, "a tile outside its result");
        for (i, values) in tile.chunks_exact(nr).take(rows).enumerate() {
            // SAFETY: inside the result by the assertion; these columns are this task's alone.
            unsafe {
                let to = self.data.add(i * width + columns.start);
                std::ptr::copy_nonoverlapping(values.as_ptr(), to, columns.len());
            }
        }
    }
}

/// Copies a tile to its columns.
fn store(
    tile: &[f32],
    nr: usize,
    rows: usize,
    columns: std::ops::Range<usize>,
    width: usize,
    out: &mut [f32],
) {
    let n = columns.len();
    for (values, row) in tile.chunks_exact(nr).zip(out.chunks_exact_mut(width)).take(rows) {
        row[columns.start..columns.end].copy_from_slice(&values[..n]);
    }
}

/// Two different elements of a slice.
fn two<T>(all: &mut [T], read: usize, write: usize) -> (&T, &mut T) {
    if read < write {
        let (a, b) = all.split_at_mut(write);
        (&a[read], &mut b[0])
    } else {
        let (a, b) = all.split_at_mut(read);
        (&b[0], &mut a[write])
    }
}

impl Tiles {
    fn take(&mut self) -> Tiles {
        Tiles { first: std::mem::take(&mut self.first), second: std::mem::take(&mut self.second) }
    }

    fn like(&self) -> Tiles {
        Tiles { first: vec![0.0; self.first.len()], second: vec![0.0; self.second.len()] }
    }
}

impl Stage {
    pub(super) fn panel(&self) -> Option<usize> {
        match &self.op {
            StageOp::Product(p) => Some(panel(&p.packed)),
            _ => None,
        }
    }
}
