//! What a backend can do, as data that plans are made for.

/// Which kind of machine executes a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Threads and SIMD lanes; runs of token-local ops execute block by block in cache.
    Cpu,
    /// Dispatches over buffers.
    Gpu,
}

/// Where the elements of a logical (T, H) tensor lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// (T, H): the channels of a token are contiguous.
    TokenMajor,
    /// (H, T): the tokens of a channel are contiguous; the class of T is the leading dimension.
    ChannelMajor,
}

/// The properties of a device that decide a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name for dumps.
    pub name: String,
    /// Kind of machine.
    pub kind: Kind,
    /// Layout of tensors with a symbolic leading axis.
    pub layout: Layout,
    /// Largest part of a buffer that one dispatch can see, in bytes.
    pub max_binding: u64,
    /// Largest buffer, in bytes.
    pub max_buffer: u64,
    /// Memory that a plan may use in all, in bytes.
    pub max_memory: u64,
    /// Bytes of values that depend on weights alone (spectra) to keep between runs; what does not
    /// fit is recomputed in every run.
    pub frozen_budget: u64,
    /// Whether a layer norm between two products has no step of its own: the first makes its
    /// statistics, the second normalises.
    pub norms_in_products: bool,
}

impl Target {
    /// A CPU with so much memory.
    pub fn cpu(max_memory: u64) -> Self {
        Target {
            name: "cpu".into(),
            kind: Kind::Cpu,
            layout: Layout::TokenMajor,
            max_binding: u64::MAX,
            max_buffer: u64::MAX,
            max_memory,
            // Spectra of the 80M model up to 8,192 tokens take 1.2 GB.
            frozen_budget: 3 << 29,
            norms_in_products: false,
        }
    }

    /// Any WebGPU device: the default limits that every adapter grants.
    pub fn webgpu() -> Self {
        Target {
            name: "webgpu defaults".into(),
            kind: Kind::Gpu,
            layout: Layout::ChannelMajor,
            max_binding: 128 << 20,
            max_buffer: 256 << 20,
            max_memory: u64::MAX,
            frozen_budget: 1 << 30,
            norms_in_products: false,
        }
    }
}
