//! One helper for every op: the device in both plans against the f64 oracle, on random ragged rows.

use m2::Device;
use m2_ir::{Sizes, plan::Fusion};

use crate::support::{
    case::{Case, Ready, RowSpec, Value, difference, magnitude, table},
    random::Random,
};

/// Largest error of f32 beside the oracle's largest magnitude.
///
/// One table for all ops: sums of n products round at about √n·6e-8, transforms at 3e-7.
pub const F32: f64 = 3e-6;

/// Rounds of random shapes that each op gets.
const ROUNDS: u32 = 6;

/// Builds an op `ROUNDS` times with random sizes and checks it on several batches each.
///
/// One program serves all batches of a round, the largest first, so that what an earlier run left
/// behind would show; then each row runs alone.
pub fn check(name: &str, build: impl Fn(&mut Case)) {
    check_to(name, F32, build);
}

/// As [`check`], for an op that needs another bound.
pub fn check_to(name: &str, tolerance: f64, build: impl Fn(&mut Case)) {
    for round in 0..ROUNDS {
        let seed = m2_nn::init::fnv1a(name) ^ round;
        let mut case = Case::new(seed);
        build(&mut case);
        let ready = case.finish();
        round_of(&format!("{name}, seed {seed:#x}"), &ready, tolerance, &batches(seed));
    }
}

/// A finished case on given batches of rows, each with its asked positions.
pub fn round_of(name: &str, ready: &Ready, tolerance: f64, batches: &[Vec<RowSpec>]) {
    let device = Device::cpu(2);
    let asked: Vec<Vec<u32>> = batches.iter().map(|rows| asked(rows)).collect();
    let class = batches.iter().zip(&asked).fold(Sizes::default(), |c, (rows, asked)| {
        let t = table(rows);
        Sizes {
            tokens: c.tokens.max(t.tokens()),
            rows: c.rows.max(rows.len()),
            asked: c.asked.max(asked.len()),
            span: c.span.max(t.longest()),
        }
    });
    let class = class.class();
    for fusion in [Fusion::Full, Fusion::None] {
        let mut program = ready.load(&device, class, fusion);
        for (rows, asked) in batches.iter().zip(&asked) {
            let expected = ready.oracle(rows, asked);
            let found = ready.run(&device, &mut program, class, rows, asked);
            let at = format!("{name}, {fusion:?}, rows {rows:?}");
            compare(&at, &expected, &found, rows, tolerance);
        }
        rows_alone(&format!("{name}, {fusion:?}"), ready, &device, &batches[0], tolerance);
    }
}

/// Each row of a batch has the values that it has alone.
fn rows_alone(name: &str, ready: &Ready, device: &Device, rows: &[RowSpec], tolerance: f64) {
    let together = ready.oracle(rows, &[]);
    for (i, row) in rows.iter().enumerate() {
        let one = [*row];
        let t = table(&one);
        let class = Sizes { tokens: t.tokens(), rows: 1, asked: 0, span: t.longest() }.class();
        let fusion = Fusion::Full;
        let mut program = ready.load(device, class, fusion);
        let alone = ready.run(device, &mut program, class, &one, &[]);
        for (o, (all, mine)) in together.iter().zip(&alone).enumerate() {
            let Some(part) = part_of(all, rows, i) else { continue };
            let error = difference(&part, &mine.meaningful(&one));
            // The scale is the batch's: a row of near zeros has no scale of its own.
            let limit = tolerance * magnitude(&all.meaningful(rows)).max(1e-3);
            assert!(
                error <= limit,
                "{name}: row {i} {row:?} alone, output {o}: {error:e} > {limit:e}"
            );
        }
    }
}

/// The values of row `i`; None for values that belong to no row.
fn part_of(all: &Value, rows: &[RowSpec], i: usize) -> Option<Vec<f64>> {
    use m2_ir::Dim;
    let before: usize = match all.ty.shape.first()? {
        Dim::Tokens => {
            let keep: Vec<RowSpec> = rows[..i].to_vec();
            if all.ty.shape.len() > 1 && all.ty.shape.last() == Some(&Dim::Span) {
                return None;
            }
            let inner: usize = all.shape[1..].iter().product();
            keep.iter().map(|r| r.length).sum::<usize>() * inner
        }
        Dim::Rows => i * all.shape[1..].iter().product::<usize>(),
        _ => return None,
    };
    let inner: usize = all.shape[1..].iter().product();
    let len = if all.ty.shape[0] == Dim::Rows { inner } else { rows[i].length * inner };
    Some(all.meaningful(rows)[before..before + len].to_vec())
}

/// Compares all outputs.
pub fn compare(at: &str, expected: &[Value], found: &[Value], rows: &[RowSpec], tolerance: f64) {
    assert_eq!(expected.len(), found.len());
    for (i, (e, f)) in expected.iter().zip(found).enumerate() {
        let (e, f) = (e.meaningful(rows), f.meaningful(rows));
        let (error, limit) = (difference(&e, &f), tolerance * magnitude(&e).max(1e-3));
        assert!(error <= limit, "{at}: output {i}: error {error:e} > {limit:e}");
    }
}

/// Batches of a round, the largest first: ragged rows with padding, short rows, one token.
pub fn batches(seed: u32) -> Vec<Vec<RowSpec>> {
    let mut r = Random::new(seed ^ 0x5eed);
    let mut row = |key: usize, longest: usize| {
        let length = r.within(1, longest);
        RowSpec { key, length, valid: r.within(1, length) }
    };
    let ragged: Vec<RowSpec> = (0..5).map(|key| row(key, 40)).collect();
    let short: Vec<RowSpec> = (5..8).map(|key| row(key, 5)).collect();
    let one = vec![RowSpec { key: 8, length: 1, valid: 1 }];
    vec![ragged, short, one]
}

/// Every third token of every row.
fn asked(rows: &[RowSpec]) -> Vec<u32> {
    let table = table(rows);
    table.rows().iter().flat_map(|r| (r.offset..r.offset + r.length).step_by(3)).collect()
}
