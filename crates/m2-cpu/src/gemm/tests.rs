//! Products against f64 on odd shapes, for every instruction set of the machine.

use super::*;
use crate::testing::Random;
use crate::{Isa, Pool};

/// x Wᵀ in f64.
fn plain(x: &[f32], w: &[f32], m: usize, n: usize, k: usize) -> Vec<f64> {
    let mut y = vec![0.0; m * n];
    for (r, row) in y.chunks_exact_mut(n.max(1)).enumerate() {
        for (c, value) in row.iter_mut().enumerate() {
            *value = (0..k).map(|i| f64::from(x[r * k + i]) * f64::from(w[c * k + i])).sum();
        }
    }
    y
}

fn assert_close(found: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*f) - e).abs() <= tolerance, "{what}: [{i}] {f} instead of {e}");
    }
}

/// Rounding of a sum of k products of random values below 1, whose partial sums stay small.
fn tolerance(k: usize) -> f64 {
    4.0 * 6e-8 * (2.0 + k as f64)
}

const SHAPES: [(usize, usize, usize); 14] = [
    (1, 1, 1),
    (0, 5, 3),
    (5, 0, 3),
    (4, 7, 0),
    (3, 49, 191),
    (8, 48, 192),
    (9, 97, 193),
    (31, 24, 385),
    (33, 50, 7),
    (64, 96, 200),
    (65, 13, 64),
    (129, 145, 30),
    (70, 1, 400),
    (2, 200, 5),
];

#[test]
fn products_match_f64_on_odd_shapes() {
    let mut random = Random::fresh();
    for isa in Isa::available() {
        for threads in [1, 3] {
            let pool = Pool::new(threads);
            for (m, n, k) in SHAPES {
                let (x, w) = (random.values(m * k), random.values(n * k));
                let packed = PackedB::pack(isa, &w, n, k).unwrap();
                let mut out = vec![f32::NAN; m * n];
                let rows = RowsMut::new(&mut out, m, n);
                gemm(&pool, Rows::new(&x, m, k), &packed, rows, &Epilogue::default()).unwrap();
                let what = format!("{} {m}x{n}x{k}", isa.name());
                assert_close(&out, &plain(&x, &w, m, n, k), tolerance(k), &what);
            }
        }
    }
}

#[test]
fn a_transposed_weight_gives_the_same_panels() {
    let mut random = Random::fresh();
    let (n, k) = (53, 29);
    let w = random.values(n * k);
    let turned: Vec<f32> = (0..k * n).map(|i| w[i % n * k + i / n]).collect();
    for isa in Isa::available() {
        let a = PackedB::pack(isa, &w, n, k).unwrap();
        let b = PackedB::pack_transposed(isa, &turned, k, n).unwrap();
        assert_eq!(a.at_panel(0), b.at_panel(0));
    }
}

#[test]
fn epilogues_and_strides_match_f64() {
    let mut random = Random::fresh();
    let pool = Pool::new(2);
    let (m, n, k) = (67, 77, 40);
    let (x, w) = (random.values(m * (k + 3)), random.values(n * k));
    let (bias, residual) = (random.values(n), random.values(m * (n + 5)));
    let dense: Vec<f32> = x.chunks(k + 3).flat_map(|row| row[..k].to_vec()).collect();
    let sums = plain(&dense, &w, m, n, k);
    let x = Rows { data: &x, rows: m, width: k, stride: k + 3 };
    for isa in Isa::available() {
        let packed = PackedB::pack(isa, &w, n, k).unwrap();
        for activation in [Activation::Identity, Activation::Gelu, Activation::Tanh] {
            let mut out = vec![f32::NAN; m * (n + 2)];
            let epilogue = Epilogue {
                bias: Some(&bias),
                activation,
                residual: Some(Rows { data: &residual, rows: m, width: n, stride: n + 5 }),
            };
            let rows = RowsMut { data: &mut out, rows: m, width: n, stride: n + 2 };
            gemm(&pool, x, &packed, rows, &epilogue).unwrap();
            for (r, row) in out.chunks(n + 2).enumerate() {
                let expected: Vec<f64> = (0..n)
                    .map(|c| {
                        let v = sums[r * n + c] + f64::from(bias[c]);
                        let v = match activation {
                            Activation::Identity => v,
                            Activation::Gelu => gelu(v),
                            Activation::Tanh => v.tanh(),
                        };
                        v + f64::from(residual[r * (n + 5) + c])
                    })
                    .collect();
                assert_close(&row[..n], &expected, tolerance(k) + 2e-6, isa.name());
                assert!(row[n..].iter().all(|v| v.is_nan()), "values between rows stay");
            }
        }
    }
}

fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2))
}

#[test]
fn glu_matches_f64() {
    let mut random = Random::fresh();
    let pool = Pool::new(2);
    let (m, n, k) = (41, 61, 35);
    let x = random.values(m * k);
    let (g, h) = (random.values(n * k), random.values(n * k));
    let (g_bias, h_bias) = (random.values(n), random.values(n));
    let (gs, hs) = (plain(&x, &g, m, n, k), plain(&x, &h, m, n, k));
    let expected: Vec<f64> = (0..m * n)
        .map(|i| gelu(gs[i] + f64::from(g_bias[i % n])) * (hs[i] + f64::from(h_bias[i % n])))
        .collect();
    for isa in Isa::available() {
        let g = PackedB::pack(isa, &g, n, k).unwrap();
        let h = PackedB::pack(isa, &h, n, k).unwrap();
        let mut out = vec![f32::NAN; m * n];
        let gate = (&g, Some(&g_bias[..]));
        let linear = (&h, Some(&h_bias[..]));
        let rows = RowsMut::new(&mut out, m, n);
        gemm_glu(&pool, Rows::new(&x, m, k), gate, linear, rows).unwrap();
        assert_close(&out, &expected, 2e-5, isa.name());
    }
}

#[test]
fn block_diagonal_products_match_f64() {
    let mut random = Random::fresh();
    let pool = Pool::new(2);
    let (m, nb, q, p) = (37, 3, 50, 21);
    let (x, w) = (random.values(m * nb * p), random.values(nb * q * p));
    let mut dense = vec![0.0; nb * q * nb * p];
    for row in 0..nb * q {
        let block = row / q;
        let to = row * nb * p + block * p;
        dense[to..to + p].copy_from_slice(&w[row * p..(row + 1) * p]);
    }
    let expected = plain(&x, &dense, m, nb * q, nb * p);
    for isa in Isa::available() {
        let packed = PackedBlocks::pack(isa, &w, nb, q, p).unwrap();
        assert_eq!((packed.n(), packed.k()), (nb * q, nb * p));
        let mut out = vec![f32::NAN; m * nb * q];
        let rows = RowsMut::new(&mut out, m, nb * q);
        let x = Rows::new(&x, m, nb * p);
        gemm_blocks(&pool, x, &packed, rows, &Epilogue::default()).unwrap();
        assert_close(&out, &expected, tolerance(p), isa.name());
    }
}

#[test]
fn tiles_accumulate_over_parts_of_the_columns() {
    let mut random = Random::fresh();
    let (m, n, k) = (1 + random.below(MC), 60, 210);
    let (x, w) = (random.values(m * k), random.values(n * k));
    let expected = plain(&x, &w, m, n, k);
    let half = |w: &[f32], from: usize, to: usize| -> Vec<f32> {
        w.chunks(k).flat_map(|row| row[from..to].to_vec()).collect()
    };
    for isa in Isa::available() {
        let first = PackedB::pack(isa, &half(&w, 0, 90), n, 90).unwrap();
        let second = PackedB::pack(isa, &half(&w, 90, k), n, k - 90).unwrap();
        let mut a = PackedA::new(isa, k + 10).unwrap();
        // A part at a time and out of order, as fused producers do.
        a.begin(m, k);
        for (from, to) in [(101, k), (0, 17), (17, 101)] {
            a.put(from, Rows { data: &x[from..], rows: m, width: to - from, stride: k });
        }
        let nr = first.nr();
        for panel in 0..first.panels() {
            let mut out = vec![f32::NAN; m * nr + 3];
            tile(&a, 0, &first, panel, &mut out, false);
            tile(&a, 90, &second, panel, &mut out, true);
            let columns = first.columns(panel);
            for (r, row) in out[..m * nr].chunks(nr).enumerate() {
                let expected = &expected[r * n..][columns.clone()];
                assert_close(&row[..columns.len()], expected, tolerance(k), isa.name());
                assert!(row[columns.len()..].iter().all(|v| *v == 0.0));
            }
            assert!(out[m * nr..].iter().all(|v| v.is_nan()), "values after the tile stay");
        }
    }
}

#[test]
fn a_row_has_the_same_bits_in_every_batch_and_on_every_fused_set() {
    let mut random = Random::fresh();
    let (m, n, k) = (100, 100, 500);
    let (x, w) = (random.values(m * k), random.values(n * k));
    let mut reference: Option<Vec<f32>> = None;
    for isa in Isa::available().into_iter().filter(|isa| *isa != Isa::Portable) {
        let packed = PackedB::pack(isa, &w, n, k).unwrap();
        for (threads, rows) in [(1, m), (2, m), (3, 33), (2, 5), (1, 1)] {
            let mut out = vec![f32::NAN; rows * n];
            let to = RowsMut::new(&mut out, rows, n);
            let x = Rows::new(&x, rows, k);
            gemm(&Pool::new(threads), x, &packed, to, &Epilogue::default()).unwrap();
            let reference = reference.get_or_insert_with(|| out.clone());
            assert!(out[..] == reference[..out.len()], "{} {threads} {rows}", isa.name());
        }
    }
}

#[test]
fn wrong_shapes_are_errors() {
    let isa = Isa::detect();
    assert!(PackedB::pack(isa, &[0.0; 5], 2, 3).is_err());
    assert!(PackedBlocks::pack(isa, &[], 0, 2, 3).is_err());
    let w = PackedB::pack(isa, &[0.0; 6], 2, 3).unwrap();
    let pool = Pool::new(1);
    let try_with = |x: Rows<'_>, rows: usize, epilogue: &Epilogue<'_>| {
        let mut out = [0.0; 8];
        gemm(&pool, x, &w, RowsMut::new(&mut out, rows, 2), epilogue)
    };
    let x = [0.0; 12];
    let plain = Epilogue::default();
    assert!(try_with(Rows::new(&x, 4, 3), 4, &plain).is_ok());
    assert!(try_with(Rows::new(&x, 3, 4), 3, &plain).is_err());
    assert!(try_with(Rows::new(&x, 4, 3), 3, &plain).is_err());
    assert!(try_with(Rows::new(&x[..11], 4, 3), 4, &plain).is_err());
    assert!(try_with(Rows { stride: 2, ..Rows::new(&x, 2, 3) }, 2, &plain).is_err());
    assert!(try_with(Rows::new(&x, 5, 3), 5, &plain).is_err());
    let bias = Epilogue { bias: Some(&x), ..plain };
    assert!(try_with(Rows::new(&x, 4, 3), 4, &bias).is_err());
    let residual = Epilogue { residual: Some(Rows::new(&x, 4, 3)), ..plain };
    assert!(try_with(Rows::new(&x, 4, 3), 4, &residual).is_err());
}
