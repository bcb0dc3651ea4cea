//! The row table: where each text of a ragged batch lies.

/// Rows start at multiples of this many tokens, so that two rows never share a vec4 or an f16 pair.
pub const ROW_ALIGN: usize = 4;

/// One row of a ragged batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Row {
    /// First token of the row in the (T, H) tensors.
    pub offset: u32,
    /// Tokens that are computed and convolved.
    pub length: u32,
    /// The first `valid` tokens are text; attention keys and mean pooling stop there.
    pub valid: u32,
}

/// All rows of a batch, end to end, each offset a multiple of [`ROW_ALIGN`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowTable {
    rows: Vec<Row>,
    tokens: usize,
}

impl RowTable {
    /// Lays rows of the given (length, valid) end to end.
    ///
    /// # Errors
    /// When a row has `valid > length`, or the tokens do not fit 32 bits.
    pub fn new(rows: impl IntoIterator<Item = (usize, usize)>) -> Result<Self, RowError> {
        let mut table = RowTable::default();
        for (i, (length, valid)) in rows.into_iter().enumerate() {
            let offset = table.tokens.next_multiple_of(ROW_ALIGN);
            let end = offset.checked_add(length).filter(|&e| e < (1 << 31));
            let (Some(end), true) = (end, valid <= length) else {
                return Err(RowError { row: i, length, valid });
            };
            table.rows.push(Row {
                offset: offset as u32,
                length: length as u32,
                valid: valid as u32,
            });
            table.tokens = end;
        }
        table.tokens = table.tokens.next_multiple_of(ROW_ALIGN);
        Ok(table)
    }

    /// The rows in order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// T: all tokens, gaps included.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// The longest row.
    pub fn longest(&self) -> usize {
        self.rows.iter().map(|r| r.length as usize).max().unwrap_or(0)
    }
}

/// A row that cannot be laid out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row} of {length} tokens with {valid} valid ones does not fit the row table")]
pub struct RowError {
    /// Index of the row.
    pub row: usize,
    /// Tokens of the row.
    pub length: usize,
    /// Valid tokens of the row.
    pub valid: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_aligned_and_do_not_overlap() {
        let t = RowTable::new([(5, 3), (0, 0), (8, 8), (1, 1)]).unwrap();
        let offsets: Vec<u32> = t.rows().iter().map(|r| r.offset).collect();
        assert_eq!(offsets, [0, 8, 8, 16]);
        assert_eq!((t.tokens(), t.longest()), (20, 8));
        assert!(RowTable::new([(2, 3)]).is_err());
    }
}
