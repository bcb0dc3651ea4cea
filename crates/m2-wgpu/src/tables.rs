//! Tables that kernels read, made in f64 on the host.

use m2_ir::ops::alibi_slopes;

use crate::buffer::padded;

/// Which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Table {
    /// The first n of the 2n-th roots of unity, exp(−iπk/n) as pairs.
    Roots(usize),
    /// The 2n-th roots of unity as products: 2n / low of them, `low` apart, then the first `low`.
    LongRoots(usize, usize),
    /// ALiBi's slopes for this many heads.
    Slopes(usize),
}

/// exp(−iπk/n).
fn root(k: usize, n: usize) -> [f32; 2] {
    let angle = -std::f64::consts::PI * k as f64 / n as f64;
    [angle.cos() as f32, angle.sin() as f32]
}

impl Table {
    /// What messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Table::Roots(_) => "roots",
            Table::LongRoots(..) => "long roots",
            Table::Slopes(_) => "slopes",
        }
    }

    /// Its numbers.
    pub fn values(self) -> Vec<f32> {
        match self {
            Table::Roots(n) => (0..n).flat_map(|k| root(k, n)).collect(),
            Table::LongRoots(n, low) => {
                (0..2 * n).step_by(low).chain(0..low).flat_map(|k| root(k, n)).collect()
            }
            Table::Slopes(heads) => alibi_slopes(heads).into_iter().map(|s| s as f32).collect(),
        }
    }

    /// Bytes of its buffer.
    pub fn bytes(self) -> u64 {
        let len = match self {
            Table::Roots(n) => 2 * n,
            Table::LongRoots(n, low) => 2 * (2 * n / low + low),
            Table::Slopes(heads) => heads,
        };
        padded(len as u64 * 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_the_bytes_they_are_planned_with() {
        for table in [Table::Roots(32), Table::LongRoots(1024, 32), Table::Slopes(12)] {
            assert_eq!(padded(table.values().len() as u64 * 4), table.bytes(), "{table:?}");
        }
    }
}
