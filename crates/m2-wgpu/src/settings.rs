//! What an adapter's limits and the caller's options decide.

use crate::{
    Class, Options,
    variants::{ProductVariant, Products, product_variant},
};

/// Most points of a transform that one workgroup does: sixteen for each of 256 invocations.
const MAX_TRANSFORM: usize = 4096;
/// Bytes of each kind of intermediate values of long convolutions, unless the options say.
const SCRATCH: u64 = 32 << 20;
/// Seconds that a submission should take at most.
const SUBMISSION: f64 = 0.25;

/// What the device's limits and options decide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Longest transform in workgroup memory.
    pub longest_transform: usize,
    /// Bytes of each kind of intermediate values that long convolutions keep at a time.
    pub scratch: u64,
    /// Largest binding in bytes.
    pub max_binding: u64,
    /// Largest buffer in bytes.
    pub max_buffer: u64,
    /// Memory that a program may take, in bytes.
    pub max_memory: u64,
    /// How work is cut into submissions.
    pub pace: Pace,
    /// How products are computed.
    pub products: Products,
}

/// How work is cut into submissions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Operations in a second that any device of its class does.
    pub flops_per_second: f64,
    /// Seconds that a submission should take at most, by that guess; drivers and browsers reset a
    /// device whose work takes longer than two.
    pub seconds: f64,
}

impl Settings {
    /// What a device with these limits and options can do.
    pub(crate) fn of(limits: &wgpu::Limits, options: &Options, class: Class) -> Self {
        // A point is a complex number of eight bytes.
        let points = limits.max_compute_workgroup_storage_size as usize / 8;
        let fits = if points.is_power_of_two() { points } else { points.next_power_of_two() / 2 };
        let longest = options.longest_transform.unwrap_or(MAX_TRANSFORM);
        // What the slowest device of a class does; an unnamed one in a browser may be any.
        let flops_per_second = match class {
            Class::Discrete => 3e12,
            Class::Virtual => 1e12,
            Class::Integrated => 2e11,
            Class::Other => 5e10,
            Class::Software => 2e9,
        };
        let variant = options.products.unwrap_or_else(|| product_variant(class));
        Settings {
            longest_transform: longest.min(MAX_TRANSFORM).min(fits).max(4),
            scratch: options
                .transform_scratch
                .unwrap_or(SCRATCH)
                .min(limits.max_storage_buffer_binding_size),
            max_binding: limits.max_storage_buffer_binding_size,
            max_buffer: limits.max_buffer_size,
            max_memory: options.max_memory.unwrap_or(u64::MAX),
            pace: Pace { flops_per_second, seconds: SUBMISSION },
            products: Products {
                variant,
                slices: options.slices,
                weights: options.weights,
                norms: options.norms_in_products && variant == ProductVariant::Tiled,
            },
        }
    }

    /// What any device can do.
    pub(crate) fn webgpu() -> Self {
        Settings::of(&wgpu::Limits::default(), &Options::default(), Class::Other)
    }
}
