//! Which kernel serves the products on which adapter, and why not a faster one.

use std::{fmt, str::FromStr};

use crate::{Class, program::Settings};

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
}

/// A choice that was made for an adapter, for `m2 info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The op.
    pub op: &'static str,
    /// The kernels that serve it.
    pub variant: String,
    /// Why a faster one is refused, if there is one.
    pub refused: Option<String>,
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

/// Which variants serve the ops on an adapter whose settings are these.
pub(crate) fn variants(
    class: Class,
    settings: &Settings,
    features: wgpu::Features,
) -> Vec<Variant> {
    let mut all: Vec<Variant> = ["matmul", "block_diag_matmul", "monarch"]
        .map(|op| {
            let variant = settings.products.variant.name().to_owned();
            Variant { op, variant, refused: Some(refused_products(class, features)) }
        })
        .into();
    let points = settings.longest_transform;
    all.extend(["sequence_mixer", "conv_pair", "long_conv"].map(|op| Variant {
        op,
        variant: format!("one kernel to {points} tokens, three passes beyond"),
        refused: Some(format!(
            "one kernel for longer rows: workgroup memory holds {points} points"
        )),
    }));
    all
}

fn refused_products(class: Class, features: wgpu::Features) -> String {
    if class == Class::Software {
        return "tiled: a software adapter's workgroup memory is ordinary memory, and slower"
            .into();
    }
    let matrices = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
    match features.contains(matrices) {
        true => {
            "cooperative matrices: the adapter has them, there is no kernel for them yet".into()
        }
        false => "cooperative matrices: the adapter has none".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_adapters_multiply_in_registers() {
        let of = |class| {
            let mut settings = Settings::webgpu();
            settings.products.variant = product_variant(class);
            variants(class, &settings, wgpu::Features::empty())
        };
        assert_eq!(of(Class::Software)[0].variant, "direct");
        assert!(of(Class::Software)[0].refused.as_ref().is_some_and(|r| r.starts_with("tiled")));
        assert_eq!(of(Class::Discrete)[0].variant, "tiled");
        assert!(of(Class::Discrete).iter().any(|v| v.variant.contains("2048 tokens")));
        for v in ProductVariant::ALL {
            assert_eq!(v.name().parse(), Ok(v));
        }
        assert!("fast".parse::<ProductVariant>().is_err());
    }
}
