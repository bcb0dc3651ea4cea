//! Dense row-major arrays of the plain ops.

use crate::real::Real;

/// A dense row-major array. Ids are held as reals, which is exact below 2^24.
#[derive(Clone, Debug, Default)]
pub struct Array<R> {
    /// Sizes, slowest first.
    pub shape: Vec<usize>,
    /// The elements.
    pub data: Vec<R>,
}

impl<R: Real> Array<R> {
    /// An array of zeros.
    pub fn zeros(shape: &[usize]) -> Self {
        Array { shape: shape.to_vec(), data: vec![R::zero(); shape.iter().product()] }
    }

    /// Size of the innermost axis (1 for a scalar).
    pub fn width(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Number of innermost rows.
    pub fn rows(&self) -> usize {
        if self.width() == 0 { 0 } else { self.data.len() / self.width() }
    }

    /// The i-th innermost row.
    pub fn row(&self, i: usize) -> &[R] {
        &self.data[i * self.width()..(i + 1) * self.width()]
    }

    /// The i-th innermost row.
    pub fn row_mut(&mut self, i: usize) -> &mut [R] {
        let w = self.width();
        &mut self.data[i * w..(i + 1) * w]
    }
}
