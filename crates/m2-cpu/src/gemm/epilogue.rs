//! What happens to a tile of a plain product before it is written.

use super::{GemmError, Rows, expect};
use crate::Isa;
use crate::isa::multiversion;
use crate::math;
use crate::simd::Simd;

/// A function applied to every value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// The value itself.
    #[default]
    Identity,
    /// The exact GELU, with erf.
    Gelu,
    /// The hyperbolic tangent.
    Tanh,
}

/// `activation(x Wᵀ + bias) + residual`; the default is x Wᵀ.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// One value per column of the product.
    pub bias: Option<&'a [f32]>,
    /// Applied after the bias.
    pub activation: Activation,
    /// Added last, of the product's shape.
    pub residual: Option<Rows<'a>>,
}

impl Epilogue<'_> {
    /// `Ok` where the operands fit a product of `rows` × `columns`.
    pub(super) fn check(&self, rows: usize, columns: usize) -> Result<(), GemmError> {
        if let Some(bias) = self.bias {
            expect("bias values", bias.len(), columns)?;
        }
        if let Some(residual) = &self.residual {
            expect("rows of the residual", residual.rows, rows)?;
            expect("columns of the residual", residual.width, columns)?;
            residual.check("values of the residual")?;
        }
        Ok(())
    }

    /// Finishes a tile of stride `nr` whose first value is element (`row`, `column`) of the
    /// product; of the tile's columns the first `width` exist.
    pub(super) fn apply(
        &self,
        isa: Isa,
        tile: &mut [f32],
        nr: usize,
        (row, column): (usize, usize),
        width: usize,
    ) {
        if let Some(bias) = self.bias {
            add_bias(isa, tile, nr, &bias[column..column + width]);
        }
        match self.activation {
            Activation::Identity => {}
            Activation::Gelu => math::gelu(isa, tile),
            Activation::Tanh => math::tanh(isa, tile),
        }
        if let Some(residual) = &self.residual {
            for (r, values) in tile.chunks_exact_mut(nr).enumerate() {
                let start = (row + r) * residual.stride + column;
                let other = &residual.data[start..start + width];
                for (value, other) in values.iter_mut().zip(other) {
                    *value += other;
                }
            }
        }
    }
}

multiversion! {
    /// Adds `bias` to the first columns of every row of a tile of stride `nr` (≥ 1).
    pub fn add_bias(tile: &mut [f32], nr: usize, bias: &[f32]) => add_bias_body
}

#[inline(always)]
fn add_bias_body<S: Simd>(tile: &mut [f32], nr: usize, bias: &[f32]) {
    for row in tile.chunks_exact_mut(nr) {
        for (value, bias) in row.iter_mut().zip(bias) {
            *value += bias;
        }
    }
}
