//! Where the elements of a logical tensor lie in a GPU buffer.

use m2_ir::{Dim, Sizes, Type};

/// Leading dimensions are multiples of this, so that every column slice starts at a multiple of 256
/// bytes, the alignment that every adapter grants for bindings.
const LD_ALIGN: usize = 64;

/// The sizes that kernels are specialised for.
///
/// Transforms in passes have at least sixteen points; a longer span only adds zeros past a row's end.
pub(crate) fn class(sizes: &Sizes) -> Sizes {
    Sizes { span: sizes.span.next_power_of_two().max(16), ..*sizes }
}

/// The leading dimension of tensors with this symbolic leading axis.
pub(crate) fn leading(axis: Dim, class: &Sizes) -> usize {
    axis.of(class).max(1).next_multiple_of(LD_ALIGN)
}

/// The layout of one tensor.
///
/// A tensor (S, A, B) with a symbolic axis S lies as (A, B, LD): the elements of S are contiguous.
/// A tensor whose leading axis is fixed lies row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The symbolic leading axis, if there is one.
    pub lead: Option<Dim>,
    /// Distance between two values of the innermost of the other axes (1 without a lead).
    pub ld: usize,
    /// Sizes of all axes, in logical order.
    pub shape: Vec<usize>,
}

impl Layout {
    /// The layout of a type at a class.
    pub fn of(ty: &Type, class: &Sizes) -> Self {
        let lead = ty.shape.first().copied().filter(|d| d.fixed().is_none());
        let ld = lead.map_or(1, |d| leading(d, class));
        Layout { lead, ld, shape: ty.concrete(class) }
    }

    /// Sizes of the axes beside the lead.
    pub fn rest(&self) -> &[usize] {
        &self.shape[usize::from(self.lead.is_some())..]
    }

    /// Product of [`Layout::rest`].
    pub fn width(&self) -> usize {
        self.rest().iter().product()
    }

    /// Elements that the buffer holds.
    pub fn len(&self) -> usize {
        self.width() * self.ld
    }

    /// Distance between neighbours along each axis.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.shape.len()];
        let mut step = self.ld;
        for axis in (usize::from(self.lead.is_some())..self.shape.len()).rev() {
            strides[axis] = step;
            step *= self.shape[axis];
        }
        strides
    }

    /// Elements of a logical row-major tensor of `shape`, moved to where the layout wants them;
    /// what the tensor does not have is zero.
    pub fn scatter(&self, shape: &[usize], values: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; self.len()];
        self.each(shape, |logical, physical| out[physical] = values[logical]);
        out
    }

    /// The logical row-major tensor of `shape` out of a buffer.
    pub fn collect(&self, shape: &[usize], buffer: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; shape.iter().product()];
        self.each(shape, |logical, physical| out[logical] = buffer[physical]);
        out
    }

    /// Pairs of places of every element of a tensor no larger than the layout's shape.
    fn each(&self, shape: &[usize], mut f: impl FnMut(usize, usize)) {
        let lead = usize::from(self.lead.is_some());
        let count = if lead == 1 { shape[0] } else { 1 };
        let strides = self.strides();
        let mut places = vec![0];
        for (n, stride) in shape[lead..].iter().zip(&strides[lead..]) {
            places = places.iter().flat_map(|p| (0..*n).map(move |i| p + i * stride)).collect();
        }
        // Blocks of tokens: both sides stay in cache.
        for first in (0..count).step_by(16) {
            for (w, place) in places.iter().enumerate() {
                for t in first..(first + 16).min(count) {
                    f(t * places.len() + w, place + t);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_contiguous() {
        let class = class(&Sizes { tokens: 64, rows: 3, asked: 0, span: 1 });
        assert_eq!(class.span, 16);
        let ty = Type::f32([Dim::Tokens, Dim::Fixed(2), Dim::Fixed(3)]);
        let layout = Layout::of(&ty, &class);
        assert_eq!((layout.len(), layout.strides()), (6 * 64, vec![1, 192, 64]));
        let values: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let buffer = layout.scatter(&[2, 2, 3], &values);
        assert_eq!(buffer[64 * 4 + 1], 10.0);
        assert_eq!(layout.collect(&[2, 2, 3], &buffer), values);
    }

    #[test]
    fn weights_lie_row_major() {
        let class = class(&Sizes { tokens: 64, rows: 1, asked: 1, span: 8 });
        let layout = Layout::of(&Type::f32([Dim::Fixed(5), Dim::Fixed(3)]), &class);
        assert_eq!((layout.len(), layout.strides()), (15, vec![3, 1]));
        assert_eq!(leading(Dim::Rows, &class), 64);
    }
}
