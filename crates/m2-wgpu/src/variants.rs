//! Which kernel serves the products on which adapter, and why not a faster one.

use std::{fmt, str::FromStr};

use crate::Class;

/// How matrix products are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProductVariant {
    /// Tiles in registers alone; best where workgroup memory is ordinary memory.
    Direct,
    /// Slices of both operands go through workgroup memory.
    Tiled,
    /// What the others are measured against: 8 rows × 4 columns an invocation, dense or
    /// block-diagonal products without an epilogue, whose rows are a multiple of 8 and inputs of
    /// 4. Other products are computed as by [`ProductVariant::Direct`].
    Rows8,
    /// As [`ProductVariant::Rows8`], with one result an invocation.
    Naive,
}

impl ProductVariant {
    /// All variants.
    pub const ALL: [Self; 4] = [Self::Direct, Self::Tiled, Self::Rows8, Self::Naive];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Tiled => "tiled",
            Self::Rows8 => "rows8",
            Self::Naive => "naive",
        }
    }
}

impl fmt::Display for ProductVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ProductVariant {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|v| v.name() == s)
            .ok_or_else(|| format!("`{s}` is none of direct, tiled, rows8, naive"))
    }
}

/// How weights of products are stored on the device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Storage {
    /// As they come.
    #[default]
    F32,
    /// In half precision, two in four bytes; sums stay in single precision. Tables, filters,
    /// biases and norms are not products' weights and stay as they are.
    F16,
}

/// What options and adapter decide about products.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Products {
    pub variant: ProductVariant,
    /// Slices of the summed axis, or as many as fill a GPU.
    pub slices: Option<usize>,
    pub weights: Storage,
    /// Whether layer norms run inside products: only tiles that go through workgroup memory make
    /// statistics.
    pub norms: bool,
}

/// The variant that suits an adapter.
pub(crate) fn product_variant(class: Class) -> ProductVariant {
    match class {
        Class::Software => ProductVariant::Direct,
        Class::Discrete | Class::Integrated | Class::Virtual | Class::Other => {
            ProductVariant::Tiled
        }
    }
}
