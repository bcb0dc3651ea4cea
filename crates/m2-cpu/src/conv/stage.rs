//! Butterflies, and the stages made of them: one pass over a block, in place.

use super::LANES;
use super::transform::{POINT, Transform, stage_radix};
use super::vector::{Cx, Vector};

/// Runs `f` for each vector of a point's lanes.
#[inline(always)]
pub(super) fn lanes<V: Vector>(mut f: impl FnMut(usize)) {
    let mut c = 0;
    while c < LANES {
        f(c);
        c += V::LANES;
    }
}

/// Four-point transform, outputs in the order 0, 2, 1, 3.
#[inline(always)]
pub(super) fn dft4<V: Vector>(x: [Cx<V>; 4]) -> [Cx<V>; 4] {
    let (a, b, c, d) = (x[0].add(x[2]), x[0].sub(x[2]), x[1].add(x[3]), x[1].sub(x[3]));
    [a.add(c), a.sub(c), b.sub_i(d), b.add_i(d)]
}

/// Inverse of [`dft4`] times 4.
#[inline(always)]
pub(super) fn idft4<V: Vector>(y: [Cx<V>; 4]) -> [Cx<V>; 4] {
    let (a, b, c, d) = (y[0].add(y[1]), y[0].sub(y[1]), y[2].add(y[3]), y[2].sub(y[3]));
    [a.add(c), b.add_i(d), a.sub(c), b.sub_i(d)]
}

/// [`dft4`] of `x[j] · exp(−iπj/4)`.
#[inline(always)]
pub(super) fn turned_dft4<V: Vector>(x: [Cx<V>; 4]) -> [Cx<V>; 4] {
    let (a, b) = (x[0].sub_i(x[2]), x[0].add_i(x[2]));
    let (c, d) = (x[1].sub_i(x[3]).turn(), x[1].add_i(x[3]).turn());
    [a.add(c), a.sub(c), b.sub_i(d), b.add_i(d)]
}

/// Sums `x[j]` and differences of `low` and the inverse of [`turned_dft4`] times 4.
#[inline(always)]
pub(super) fn join<V: Vector>(low: [Cx<V>; 4], high: [Cx<V>; 4]) -> [[Cx<V>; 4]; 2] {
    let [h0, h1, h2, h3] = idft4(high);
    let (h1, h3) = (h1.turn_back(), h3.turn_back());
    [
        [low[0].add(h0), low[1].add(h1), low[2].add_i(h2), low[3].add_i(h3)],
        [low[0].sub(h0), low[1].sub(h1), low[2].sub_i(h2), low[3].sub_i(h3)],
    ]
}

/// Root number `r` ≥ 1 of a table column.
///
/// # Safety
/// `w` is readable for `2r` floats.
#[inline(always)]
pub(super) unsafe fn root<V: Vector>(w: *const f32, r: usize) -> Cx<V> {
    // SAFETY: the caller's condition.
    unsafe { Cx { re: V::splat(*w.add(2 * r - 2)), im: V::splat(*w.add(2 * r - 1)) } }
}

/// Residue stored in slot i of a stage: i with its bits reversed.
pub(super) const SLOT4: [usize; 4] = [0, 2, 1, 3];
/// As [`SLOT4`], for eight.
pub(super) const SLOT8: [usize; 8] = [0, 4, 2, 6, 1, 5, 3, 7];

/// Loads four points `stride` floats apart.
///
/// # Safety
/// All of them are readable.
#[inline(always)]
pub(super) unsafe fn load4<V: Vector>(p: *const f32, stride: usize) -> [Cx<V>; 4] {
    // SAFETY: the caller's condition.
    unsafe {
        [
            Cx::load(p),
            Cx::load(p.add(stride)),
            Cx::load(p.add(2 * stride)),
            Cx::load(p.add(3 * stride)),
        ]
    }
}

/// Stores four points `stride` floats apart.
///
/// # Safety
/// All of them are writable.
#[inline(always)]
pub(super) unsafe fn store4<V: Vector>(x: [Cx<V>; 4], p: *mut f32, stride: usize) {
    // SAFETY: the caller's condition.
    unsafe {
        x[0].store(p);
        x[1].store(p.add(stride));
        x[2].store(p.add(2 * stride));
        x[3].store(p.add(3 * stride));
    }
}

/// `a[j] + b[j]`
#[inline(always)]
pub(super) fn sums<V: Vector>(a: [Cx<V>; 4], b: [Cx<V>; 4]) -> [Cx<V>; 4] {
    [a[0].add(b[0]), a[1].add(b[1]), a[2].add(b[2]), a[3].add(b[3])]
}

/// `a[j] − b[j]`
#[inline(always)]
pub(super) fn differences<V: Vector>(a: [Cx<V>; 4], b: [Cx<V>; 4]) -> [Cx<V>; 4] {
    [a[0].sub(b[0]), a[1].sub(b[1]), a[2].sub(b[2]), a[3].sub(b[3])]
}

/// Twists the eight residues, even ones first, and stores them `q` floats apart in [`SLOT8`] order.
///
/// # Safety
/// The eight points are writable, and `w` is a column of a radix-8 table.
#[inline(always)]
pub(super) unsafe fn store_residues<V: Vector>(
    even: [Cx<V>; 4],
    odd: [Cx<V>; 4],
    p: *mut f32,
    q: usize,
    w: *const f32,
) {
    // SAFETY: the caller's condition.
    unsafe {
        even[0].store(p);
        for i in 1..4 {
            even[i].mul(root(w, SLOT8[i])).store(p.add(i * q));
        }
        for i in 0..4 {
            odd[i].mul(root(w, SLOT8[i + 4])).store(p.add((i + 4) * q));
        }
    }
}

/// The inverse of a radix-8 butterfly and of [`store_residues`], times 8: inputs 0..4 and 4..8.
///
/// # Safety
/// The eight points are readable, and `w` is a column of a radix-8 table.
#[inline(always)]
pub(super) unsafe fn load_residues<V: Vector>(
    p: *const f32,
    q: usize,
    w: *const f32,
) -> [[Cx<V>; 4]; 2] {
    // SAFETY: the caller's condition.
    unsafe {
        let (even, odd) = (load4::<V>(p, q), load4::<V>(p.add(4 * q), q));
        let even = idft4([
            even[0],
            even[1].mul_conj(root(w, SLOT8[1])),
            even[2].mul_conj(root(w, SLOT8[2])),
            even[3].mul_conj(root(w, SLOT8[3])),
        ]);
        let odd = [
            odd[0].mul_conj(root(w, SLOT8[4])),
            odd[1].mul_conj(root(w, SLOT8[5])),
            odd[2].mul_conj(root(w, SLOT8[6])),
            odd[3].mul_conj(root(w, SLOT8[7])),
        ];
        join(even, odd)
    }
}

/// One decimation-in-frequency stage over a block of `m` points.
///
/// # Safety
/// `x` is a block of `m` points and `t` has the tables of that stage.
#[inline(always)]
pub(super) unsafe fn forward_stage<V: Vector>(x: *mut f32, m: usize, t: &Transform) {
    let w = t.stage(m).as_ptr();
    // SAFETY: j stays below m / radix, so points and table columns exist.
    match stage_radix(m) {
        2 => columns::<V>(
            x,
            4,
            w,
            2,
            #[inline(always)]
            // SAFETY: points and a table column of this stage, see `columns`.
            |p, q, w| unsafe {
                let (a, b) = (Cx::<V>::load(p), Cx::load(p.add(q)));
                a.add(b).store(p);
                a.sub(b).mul(root(w, 1)).store(p.add(q));
            },
        ),
        8 => columns::<V>(
            x,
            m / 8,
            w,
            14,
            #[inline(always)]
            // SAFETY: points and a table column of this stage, see `columns`.
            |p, q, w| unsafe {
                let (a, b) = (load4::<V>(p, q), load4::<V>(p.add(4 * q), q));
                store_residues(dft4(sums(a, b)), turned_dft4(differences(a, b)), p, q, w);
            },
        ),
        _ => columns::<V>(
            x,
            m / 4,
            w,
            6,
            #[inline(always)]
            // SAFETY: points and a table column of this stage, see `columns`.
            |p, q, w| unsafe {
                let y = dft4(load4::<V>(p, q));
                y[0].store(p);
                for i in 1..4 {
                    y[i].mul(root(w, SLOT4[i])).store(p.add(i * q));
                }
            },
        ),
    }
}

/// The inverse of [`forward_stage`] times the radix.
///
/// # Safety
/// As [`forward_stage`].
#[inline(always)]
pub(super) unsafe fn inverse_stage<V: Vector>(x: *mut f32, m: usize, t: &Transform) {
    let w = t.stage(m).as_ptr();
    // SAFETY: j stays below m / radix, so points and table columns exist.
    match stage_radix(m) {
        2 => columns::<V>(
            x,
            4,
            w,
            2,
            #[inline(always)]
            // SAFETY: points and a table column of this stage, see `columns`.
            |p, q, w| unsafe {
                let (a, b) = (Cx::<V>::load(p), Cx::load(p.add(q)).mul_conj(root(w, 1)));
                a.add(b).store(p);
                a.sub(b).store(p.add(q));
            },
        ),
        8 => columns::<V>(
            x,
            m / 8,
            w,
            14,
            #[inline(always)]
            // SAFETY: points and a table column of this stage, see `columns`.
            |p, q, w| unsafe {
                let [sums, differences] = load_residues::<V>(p, q, w);
                store4(sums, p, q);
                store4(differences, p.add(4 * q), q);
            },
        ),
        _ => columns::<V>(
            x,
            m / 4,
            w,
            6,
            #[inline(always)]
            // SAFETY: points and a table column of this stage, see `columns`.
            |p, q, w| unsafe {
                let y: [Cx<V>; 4] = load4(p, q);
                let x = idft4([
                    y[0],
                    y[1].mul_conj(root(w, SLOT4[1])),
                    y[2].mul_conj(root(w, SLOT4[2])),
                    y[3].mul_conj(root(w, SLOT4[3])),
                ]);
                store4(x, p, q);
            },
        ),
    }
}

/// Calls `f(first point, stride, table column)` for every butterfly of a stage of `columns` columns
/// and every vector of lanes.
#[inline(always)]
fn columns<V: Vector>(
    x: *mut f32,
    columns: usize,
    w: *const f32,
    column_len: usize,
    f: impl Fn(*mut f32, usize, *const f32),
) {
    for j in 0..columns {
        let w = w.wrapping_add(j * column_len);
        lanes::<V>(
            #[inline(always)]
            |c| f(x.wrapping_add(j * POINT + c), columns * POINT, w),
        );
    }
}
