//! What kernels are told of a batch: the uniform block and the row table.

use bytemuck::{Pod, Zeroable};
use m2_ir::{Batch, Sizes};

/// The uniform block `Sizes` of the shaders' prelude.
#[derive(Debug, Clone, Copy, Pod, Zeroable, Default, PartialEq)]
#[repr(C)]
pub(crate) struct RunSizes {
    /// T, gaps included.
    pub tokens: u32,
    /// R.
    pub rows: u32,
    /// Q.
    pub asked: u32,
    /// L, the class of the longest row.
    pub span: u32,
    /// Tokens of the longest row.
    pub longest: u32,
    /// Minus infinity, which WGSL cannot write.
    pub neg_inf: f32,
    /// First channel of a dispatch that does a part of them.
    pub first_channel: u32,
    /// First row of a dispatch that does a part of them.
    pub first_row: u32,
}

/// `Row` of the shaders' prelude.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct RunRow {
    offset: u32,
    length: u32,
    valid: u32,
}

impl RunSizes {
    /// The sizes of a batch run by a plan of this class.
    pub fn of(batch: &Batch, class: &Sizes) -> Self {
        let s = batch.sizes();
        RunSizes {
            tokens: s.tokens as u32,
            rows: s.rows as u32,
            asked: s.asked as u32,
            span: class.span as u32,
            longest: s.span as u32,
            neg_inf: f32::NEG_INFINITY,
            first_channel: 0,
            first_row: 0,
        }
    }

    /// The sizes while values that depend on weights alone are computed.
    pub fn without_batch(class: &Sizes) -> Self {
        RunSizes::of(&Batch::default(), class)
    }
}

/// Distance of uniform blocks in their buffer: the alignment that every adapter grants.
pub(crate) const BLOCK: usize = 256;

/// The sizes as each window of channels and rows sees them, a block each.
pub(crate) fn blocks(sizes: &RunSizes, windows: &[(usize, usize)]) -> Vec<u8> {
    let mut bytes = vec![0; windows.len() * BLOCK];
    for (block, &(channel, row)) in bytes.chunks_mut(BLOCK).zip(windows) {
        let of = RunSizes { first_channel: channel as u32, first_row: row as u32, ..*sizes };
        block[..size_of::<RunSizes>()].copy_from_slice(bytemuck::bytes_of(&of));
    }
    bytes
}

/// The rows of a batch as kernels read them.
pub(crate) fn rows(batch: &Batch) -> Vec<RunRow> {
    batch
        .rows()
        .rows()
        .iter()
        .map(|r| RunRow { offset: r.offset, length: r.length, valid: r.valid })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    /// Offsets of a WGSL struct's members, and its size.
    fn wgsl(name: &str) -> (Vec<(String, usize)>, usize) {
        let module = naga::front::wgsl::parse_str(shaders::PRELUDE).unwrap();
        let (_, ty) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some(name)).unwrap();
        let naga::TypeInner::Struct { members, span } = &ty.inner else { panic!("no struct") };
        let members =
            members.iter().map(|m| (m.name.clone().unwrap(), m.offset as usize)).collect();
        (members, *span as usize)
    }

    #[test]
    fn structs_agree_with_the_shaders() {
        let (members, size) = wgsl("Sizes");
        assert_eq!(size, size_of::<RunSizes>());
        let ours = [
            ("tokens", offset_of!(RunSizes, tokens)),
            ("rows", offset_of!(RunSizes, rows)),
            ("asked", offset_of!(RunSizes, asked)),
            ("span", offset_of!(RunSizes, span)),
            ("longest", offset_of!(RunSizes, longest)),
            ("neg_inf", offset_of!(RunSizes, neg_inf)),
            ("first_channel", offset_of!(RunSizes, first_channel)),
            ("first_row", offset_of!(RunSizes, first_row)),
        ];
        assert!(members.iter().map(|(n, o)| (n.as_str(), *o)).eq(ours));
        let (members, size) = wgsl("Row");
        assert_eq!(size, size_of::<RunRow>());
        let ours = [
            ("offset", offset_of!(RunRow, offset)),
            ("length", offset_of!(RunRow, length)),
            ("valid", offset_of!(RunRow, valid)),
        ];
        assert!(members.iter().map(|(n, o)| (n.as_str(), *o)).eq(ours));
    }
}
