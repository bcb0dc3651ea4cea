//! m2-wgpu
