//! Arguments that choose a GPU's kernels.

/// Which kernels of a GPU compute.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Kernels {
    /// How a GPU multiplies: direct, tiled, or to compare with: rows8, naive; by default as suits
    /// the adapter.
    #[arg(long)]
    pub variant: Option<String>,
    /// Into how many slices a GPU cuts the sums of products; by default as suits the adapter.
    #[arg(long)]
    pub slices: Option<usize>,
    /// Let a GPU's tiled products compute the layer norms between them, which saves a dispatch and a
    /// pass over the tokens for a few per cent more arithmetic.
    #[arg(long)]
    pub norms_in_products: bool,
}
