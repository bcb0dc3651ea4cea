//! Symbolic shapes: a graph is built once and serves every batch.

use std::fmt;

use crate::DType;

/// One axis of a tensor.
///
/// The four symbols are run-time sizes; a [`Sizes`] gives their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dim {
    /// A size that the model fixes.
    Fixed(usize),
    /// T: all tokens of all rows, gaps between rows included.
    Tokens,
    /// R: the rows (texts) of the batch.
    Rows,
    /// Q: the positions asked for (masked-language-model heads).
    Asked,
    /// L: the class of the longest row, a power of two. Kernels and scores have this length.
    Span,
}

impl Dim {
    /// The value of this axis for the given sizes.
    pub fn of(self, sizes: &Sizes) -> usize {
        match self {
            Dim::Fixed(n) => n,
            Dim::Tokens => sizes.tokens,
            Dim::Rows => sizes.rows,
            Dim::Asked => sizes.asked,
            Dim::Span => sizes.span,
        }
    }

    /// The size, if the model fixes it.
    pub fn fixed(self) -> Option<usize> {
        match self {
            Dim::Fixed(n) => Some(n),
            Dim::Tokens | Dim::Rows | Dim::Asked | Dim::Span => None,
        }
    }
}

impl From<usize> for Dim {
    fn from(n: usize) -> Self {
        Dim::Fixed(n)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Fixed(n) => write!(f, "{n}"),
            Dim::Tokens => f.write_str("T"),
            Dim::Rows => f.write_str("R"),
            Dim::Asked => f.write_str("Q"),
            Dim::Span => f.write_str("L"),
        }
    }
}

/// Values of the symbolic axes: either the true ones of a batch or the class that a plan serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Sizes {
    /// T, tokens.
    pub tokens: usize,
    /// R, rows.
    pub rows: usize,
    /// Q, asked positions.
    pub asked: usize,
    /// L, class of the longest row.
    pub span: usize,
}

impl Sizes {
    /// The class that serves these sizes: each rounded up to a power of two, T from 64 on.
    ///
    /// A plan is made for a class, so that a handful of plans serve every batch.
    pub fn class(&self) -> Sizes {
        let up = |n: usize| if n == 0 { 0 } else { n.next_power_of_two() };
        Sizes {
            tokens: up(self.tokens).max(64),
            rows: up(self.rows).max(1),
            asked: up(self.asked),
            span: up(self.span).max(1),
        }
    }
}

/// Shape and element type of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Type {
    /// Axes, slowest first. This is the *logical* shape; the target decides where elements lie.
    pub shape: Vec<Dim>,
    /// Element type.
    pub dtype: DType,
}

impl Type {
    /// A type of the given shape.
    pub fn new(shape: impl IntoIterator<Item = Dim>, dtype: DType) -> Self {
        Type { shape: shape.into_iter().collect(), dtype }
    }

    /// An f32 type of the given shape.
    pub fn f32(shape: impl IntoIterator<Item = Dim>) -> Self {
        Type::new(shape, DType::F32)
    }

    /// Number of elements for the given sizes.
    pub fn len(&self, sizes: &Sizes) -> usize {
        self.shape.iter().map(|d| d.of(sizes)).product()
    }

    /// The concrete shape for the given sizes.
    pub fn concrete(&self, sizes: &Sizes) -> Vec<usize> {
        self.shape.iter().map(|d| d.of(sizes)).collect()
    }

    /// The innermost axis, if its size is fixed.
    pub fn width(&self) -> Option<usize> {
        self.shape.last().and_then(|d| d.fixed())
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[", self.dtype)?;
        for (i, d) in self.shape.iter().enumerate() {
            write!(f, "{}{d}", if i > 0 { ", " } else { "" })?;
        }
        f.write_str("]")
    }
}
